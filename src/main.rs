//! The `kb` program: see the library for everything it does.

mod closed_stdout;

use std::process::ExitCode;

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment and the working directory"
)]
fn main() -> ExitCode {
    kb::cli::main(kb::cli::Process {
        arguments: std::env::args_os().collect(),
        environment: std::env::vars_os().collect(),
        directory: std::env::current_dir(),
        stdout_was_closed: closed_stdout::was_closed(),
    })
}
