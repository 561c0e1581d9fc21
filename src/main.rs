//! The `kb` program: see the library for everything it does.

mod closed_stdout;

use std::alloc::System;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

/// Wipes all memory as it is freed. A private key passes through buffers of kube, hyper,
/// rustls, `serde_json` and the standard library, and through texts that grow and are
/// moved, where no type of kb's reaches it; plaintexts do too. `check` takes half a percent
/// longer for it.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

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
