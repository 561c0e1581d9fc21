//! Carries bytes between two connections, both ways.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::thread;

/// Returns when both directions have ended; the end of one is passed on.
pub(super) fn relay(near: &TcpStream, far: &TcpStream) -> io::Result<()> {
    for stream in [near, far] {
        stream.set_nodelay(true)?;
    }
    let (back_from, back_to) = (far.try_clone()?, near.try_clone()?);
    let back = thread::spawn(move || carry(&back_from, &back_to));
    carry(near, far);
    let _ = back.join();
    Ok(())
}

fn carry(mut from: &TcpStream, mut to: &TcpStream) {
    let whole = io::copy(&mut from, &mut to).is_ok();
    // After an error the other direction has nobody left to serve either.
    let how = if whole {
        Shutdown::Write
    } else {
        Shutdown::Both
    };
    let _ = to.shutdown(how);
}
