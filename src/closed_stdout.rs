//! Notices that kb was started with a closed stdout (`kb … >&-`).
//!
//! Before `main`, the standard library opens `/dev/null` in place of a closed
//! stdout, so that everything written there vanishes without an error. `init`
//! prints a private key once: it must not vanish. So kb looks before that.

use std::sync::atomic::{AtomicBool, Ordering};

static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether stdout was closed when the process started.
pub(crate) fn was_closed() -> bool {
    WAS_CLOSED.load(Ordering::Relaxed)
}

extern "C" fn look() {
    let closed = rustix::io::fcntl_getfd(rustix::stdio::stdout()).is_err();
    WAS_CLOSED.store(closed, Ordering::Relaxed);
}

/// The loader calls what stands in this section before it calls `main`. The
/// function there makes one system call and stores one atomic, neither of
/// which needs the standard library's runtime.
#[used]
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
#[cfg_attr(target_os = "linux", unsafe(link_section = ".init_array"))]
#[cfg_attr(
    target_vendor = "apple",
    unsafe(link_section = "__DATA,__mod_init_func")
)]
#[expect(
    unsafe_code,
    reason = "naming a section is the only way to run before main"
)]
static LOOK: extern "C" fn() = look;
