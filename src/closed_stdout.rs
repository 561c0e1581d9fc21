//! Notices that kb was started with a stdout that cannot be written to:
//! closed (`kb … >&-`), or opened for reading.
//!
//! Before `main`, the standard library opens `/dev/null` in place of a closed
//! stdout, so that everything written there vanishes without an error. `init`
//! prints a private key once: it must not vanish. So kb looks before that.

use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::OFlags;

static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether nothing could be written to stdout when the process started.
pub(crate) fn was_closed() -> bool {
    WAS_CLOSED.load(Ordering::Relaxed)
}

extern "C" fn look() {
    let flags = rustix::fs::fcntl_getfl(rustix::stdio::stdout());
    let writable = flags.is_ok_and(|flags| flags.intersection(OFlags::RWMODE) != OFlags::RDONLY);
    WAS_CLOSED.store(!writable, Ordering::Relaxed);
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
