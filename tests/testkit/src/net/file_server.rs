//! A server of files, over HTTP.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

use super::LoopbackServer;

type Files = Arc<Mutex<HashMap<String, Vec<u8>>>>;

/// Answers each GET with the file of that path, or with 404.
#[derive(Debug)]
pub struct FileServer {
    server: LoopbackServer,
    files: Files,
}

impl FileServer {
    /// Starts it on a free port, with no files.
    #[must_use]
    pub fn start() -> Self {
        let files = Files::default();
        let served = Arc::clone(&files);
        Self {
            server: LoopbackServer::start(move |stream| answer(&stream, &served)),
            files,
        }
    }

    /// Serves a file from now on; its URL.
    pub fn put(&self, name: &str, content: Vec<u8>) -> String {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.insert(format!("/{name}"), content);
        format!("http://127.0.0.1:{}/{name}", self.server.port())
    }
}

/// One request for each connection is enough.
fn answer(stream: &TcpStream, files: &Files) {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    let _ = reader.read_line(&mut request);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
        line.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let found = files
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(path)
        .cloned();
    let (status, content) = match &found {
        Some(content) => ("200 OK", content.as_slice()),
        None => ("404 Not Found", &b""[..]),
    };
    let length = content.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let mut stream = stream;
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(content);
}
