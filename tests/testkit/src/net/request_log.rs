//! A server that writes down what it is asked, and refuses it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

use super::LoopbackServer;

type Requests = Arc<Mutex<Vec<String>>>;

/// Records the beginning of every connection: an HTTP request with its headers and body,
/// or that TLS was begun. It answers 403, so that nobody asks again. A proxy is asked
/// the same way.
#[derive(Debug)]
pub struct RequestLog {
    server: LoopbackServer,
    requests: Requests,
}

impl RequestLog {
    /// Starts it on a free port.
    #[must_use]
    pub fn start() -> Self {
        let requests = Requests::default();
        let seen = Arc::clone(&requests);
        Self {
            server: LoopbackServer::start(move |stream| record(stream, &seen)),
            requests,
        }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// What it was asked since this was last called.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was asked anything.
    pub fn was_asked(&self) -> bool {
        !self.lock().is_empty()
    }
}

fn record(mut stream: TcpStream, requests: &Requests) {
    let add = |request: String| {
        let mut requests = requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.push(request);
    };
    let mut bytes = vec![0; 64 * 1024];
    // What is asked here is small: one read gets the head, mostly the body too.
    let count = stream.read(&mut bytes).unwrap_or(0);
    match bytes[..count].first() {
        Some(0x16) => return add("TLS".to_owned()),
        None => return add("nothing".to_owned()),
        Some(_) => {}
    }
    add(String::from_utf8_lossy(&bytes[..count]).into_owned());
    let _ = stream
        .write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}
