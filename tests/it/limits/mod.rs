//! What kb does where the system, a file or a server gives it less than it wants, or more.

mod exchange;
mod files;
mod server;
mod signals;
mod threads;
