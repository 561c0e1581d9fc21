//! A server between kb and the API server that carries out the creation of a
//! Secret and then keeps its answer back, or gives one of its own: the moment at
//! which it is worst to be stopped, made as long as a test needs it. It also knows
//! what kb has asked.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use serde_json::Value;
use testkit::{Client, Cluster};

/// Speaks plain HTTP to kb, as admin to the real API server.
pub(crate) struct SlowProxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Whether an answer is being kept back, and whether it may go.
    stalled_released: Mutex<(bool, bool)>,
    changed: Condvar,
    requests: Mutex<Vec<String>>,
}

impl SlowProxy {
    /// Keeps the answer back until [`Self::go_on`].
    pub(crate) fn start(cluster: &Cluster) -> Self {
        Self::new(cluster, None)
    }

    /// Answers with this HTTP status and a page, as a load balancer does.
    pub(crate) fn answering(cluster: &Cluster, status: u16) -> Self {
        Self::new(cluster, Some(status))
    }

    fn new(cluster: &Cluster, own_status: Option<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let state = Arc::new(State::default());
        let client = Arc::new(cluster.client_with_token(cluster.admin_token()));
        let shared = Arc::clone(&state);
        // It goes on until the test process ends.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (client, state) = (Arc::clone(&client), Arc::clone(&shared));
                thread::spawn(move || serve(stream, &client, &state, own_status));
            }
        });
        Self { port, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All requests so far, as in `GET /api/v1/…`.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.requests.lock().expect("lock").clone()
    }

    /// Waits until the Secret is created and its answer kept back.
    pub(crate) fn wait_for_stall(&self) {
        let state = self.state.stalled_released.lock().expect("lock");
        let waited = self
            .state
            .changed
            .wait_while(state, |(stalled, _)| !*stalled);
        drop(waited.expect("lock"));
    }

    /// Lets the answer go.
    pub(crate) fn go_on(&self) {
        self.state.stalled_released.lock().expect("lock").1 = true;
        self.state.changed.notify_all();
    }
}

impl State {
    fn stall(&self) {
        let mut state = self.stalled_released.lock().expect("lock");
        state.0 = true;
        self.changed.notify_all();
        let waited = self.changed.wait_while(state, |(_, released)| !*released);
        drop(waited.expect("lock"));
    }
}

/// Serves one connection, request by request, until kb closes it.
fn serve(stream: TcpStream, client: &Client, state: &State, own_status: Option<u16>) {
    let mut reader = BufReader::new(stream.try_clone().expect("clone"));
    let mut stream = stream;
    while let Some((method, path, body)) = request(&mut reader) {
        let asked = format!("{method} {path}");
        state.requests.lock().expect("lock").push(asked);
        let (mut status, answer) = client.request(&method, &path, body.as_ref());
        let mut text = answer.to_string();
        let creates = method == "POST" && path.contains("/secrets") && !path.contains("dryRun=All");
        match own_status {
            Some(own) if creates => (status, text) = (own, "<html>trouble</html>".to_owned()),
            None if creates => state.stall(),
            _ => {}
        }
        let head = format!(
            "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            text.len()
        );
        // kb may have given up by now.
        if stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(text.as_bytes()))
            .is_err()
        {
            return;
        }
    }
}

pub(crate) fn request(reader: &mut impl BufRead) -> Option<(String, String, Option<Value>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length: ") {
            length = value.parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((method, path, serde_json::from_slice(&body).ok()))
}
