//! A server that accepts and never says a word.

use std::io::Read;
use std::net::TcpStream;

use super::LoopbackServer;

/// Accepts every connection, reads what comes, never answers: what a
/// firewall or an overloaded server looks like.
#[derive(Debug)]
pub struct SilentServer(LoopbackServer);

impl SilentServer {
    /// Starts it on a free port.
    #[must_use]
    pub fn start() -> Self {
        Self(LoopbackServer::start(|mut stream: TcpStream| {
            let mut buffer = [0; 4096];
            while stream.read(&mut buffer).is_ok_and(|count| count > 0) {}
        }))
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// How many connections it has accepted.
    pub fn connections(&self) -> usize {
        self.0.connections()
    }
}
