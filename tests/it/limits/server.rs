//! Answers of the API server: put off, endless, and long.

use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::{Client, Cluster, Run};

use crate::slow_proxy::request;
use crate::{SECRET, Setup, assert_fails};

/// What a server answers.
pub(super) enum Answer {
    /// What the real API server says.
    Real,
    /// A status, a header and a body.
    Own(u16, &'static str, String),
    /// A status, and a body without end.
    Endless(u16),
    /// Nothing.
    None,
}

/// Speaks plain HTTP to kb, and may stand in for the API server.
pub(super) struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

type Script = dyn Fn(&str, usize) -> Answer + Send + Sync;

impl Server {
    /// `script` gets each request, as in `GET /api/v1/…`, and how many came before it.
    pub(super) fn start(
        cluster: &Cluster,
        script: impl Fn(&str, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let client = Arc::new(cluster.client_with_token(cluster.admin_token()));
        let (seen, script): (_, Arc<Script>) = (Arc::clone(&requests), Arc::new(script));
        // It goes on until the test process ends.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (client, seen) = (Arc::clone(&client), Arc::clone(&seen));
                let script = Arc::clone(&script);
                thread::spawn(move || serve(stream, &client, &seen, &*script));
            }
        });
        Self { port, requests }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("lock").clone()
    }
}

fn serve(mut stream: TcpStream, client: &Client, seen: &Mutex<Vec<String>>, script: &Script) {
    let mut reader = BufReader::new(stream.try_clone().expect("clone"));
    while let Some((method, path, body)) = request(&mut reader) {
        let asked = format!("{method} {path}");
        let count = {
            let mut seen = seen.lock().expect("lock");
            seen.push(asked.clone());
            seen.len() - 1
        };
        let (status, header, text) = match script(&asked, count) {
            Answer::Real => {
                let (status, answer) = client.request(&method, &path, body.as_ref());
                (status, "", answer.to_string())
            }
            Answer::Own(status, header, text) => (status, header, text),
            Answer::Endless(status) => {
                let head = format!("HTTP/1.1 {status} Status\r\nConnection: close\r\n\r\n");
                let _ = stream.write_all(head.as_bytes());
                while stream.write_all(&[b' '; 1 << 16]).is_ok() {}
                return;
            }
            Answer::None => loop {
                thread::park();
            },
        };
        let head = format!(
            "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\n{header}Content-Length: {}\r\n\r\n",
            text.len()
        );
        let all = [head.as_bytes(), text.as_bytes()].concat();
        if stream.write_all(&all).is_err() {
            return;
        }
    }
}

/// As the API server says it.
fn failure(code: u16, message: &str) -> String {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": "TooManyRequests", "message": message,
    });
    status.to_string()
}

fn ready() -> Setup {
    let setup = Setup::initialized("answers");
    setup.encrypt("my-secret.yaml", SECRET);
    setup
}

/// `decrypt` with a server that puts it off so often, with this header.
fn put_off(setup: &Setup, code: u16, header: &'static str, times: usize) -> (Run, usize) {
    let server = Server::start(setup.cluster, move |_, count| match count < times {
        true => Answer::Own(code, header, failure(code, "storage is (re)initializing")),
        false => Answer::Real,
    });
    setup.server(&server.url());
    let run = setup.decrypt(&["my-secret.yaml"]);
    (run, server.requests().len())
}

#[test]
fn a_request_that_is_put_off_is_sent_again_when_the_server_says() {
    let setup = ready();
    for code in [429, 503] {
        let (run, requests) = put_off(&setup, code, "Retry-After: 0\r\n", 10);
        assert!(
            run.assert_code(0)
                .out()
                .contains("password: hunter2-canary")
        );
        assert_eq!(requests, 11, "{code}");
        // As often as kubectl does.
        let (run, requests) = put_off(&setup, code, "Retry-After: 0\r\n", 1000);
        assert_fails(&run, 1, &["storage is (re)initializing", "run it again"]);
        assert_eq!(requests, 11, "{code}");
    }
    let begun = Instant::now();
    let (run, requests) = put_off(&setup, 429, "Retry-After: 1\r\n", 1);
    assert!(
        run.assert_code(0)
            .out()
            .contains("password: hunter2-canary")
    );
    assert_eq!(requests, 2);
    assert!(begun.elapsed() >= Duration::from_secs(1), "it did not wait");
}

/// An answer to wait longer than the time limit, one that does not say how long, and one
/// after which the request may have been carried out.
#[test]
fn a_request_that_is_put_off_for_too_long_is_an_error_at_once() {
    let setup = ready();
    for (code, header) in [
        (429, "Retry-After: 3600\r\n"),
        (429, "Retry-After: 99999999999999999999\r\n"),
        (429, "Retry-After: soon\r\n"),
        (429, ""),
        (503, ""),
        (500, "Retry-After: 0\r\n"),
        (504, "Retry-After: 0\r\n"),
    ] {
        let (run, requests) = put_off(&setup, code, header, 1000);
        assert_fails(&run, 1, &[&format!("HTTP {code}"), "run it again"]);
        assert_eq!(requests, 1, "{code} {header}");
    }
}

#[test]
fn a_creation_that_is_put_off_creates_one_secret() {
    let setup = Setup::new("creation");
    let puts_off = Mutex::new(0);
    let server = Server::start(setup.cluster, move |asked, _| {
        let mut puts_off = puts_off.lock().expect("lock");
        if asked.starts_with("POST") && *puts_off < 3 {
            *puts_off += 1;
            return Answer::Own(429, "Retry-After: 0\r\n", failure(429, "wait"));
        }
        Answer::Real
    });
    setup.server(&server.url());
    let run = setup.init(&[]);
    let printed = run.assert_code(0).out().trim().to_owned();
    let entry = setup.entry("age.agekey").expect("a key");
    assert_eq!(entry.lines().last(), Some(printed.as_str()));
}

#[test]
fn an_answer_without_end_is_an_error() {
    let setup = ready();
    for status in [200, 403, 500] {
        let server = Server::start(setup.cluster, move |_, _| Answer::Endless(status));
        setup.server(&server.url());
        let run = setup.decrypt(&["my-secret.yaml", "--request-timeout", "0"]);
        assert_fails(&run, 1, &["is larger than 64 MiB"]);
    }
}

#[test]
fn of_a_long_message_the_beginning_is_repeated() {
    let setup = ready();
    for (message, shown) in [
        (format!("begin{}", "x".repeat(1 << 20)), "beginxxx"),
        ("first line\nsecond\n".repeat(10_000), "first line…\n"),
    ] {
        for code in [400, 403, 404, 409, 500] {
            let text = failure(code, &message);
            let server = Server::start(setup.cluster, move |_, _| {
                Answer::Own(code, "", text.clone())
            });
            setup.server(&server.url());
            let run = setup.secrets(&["status"]);
            let text = format!("{}{}", run.out(), run.err());
            assert!(text.contains(shown), "{code}: {}", run.err());
            assert!(text.len() < 4000, "{code}: {} bytes", text.len());
        }
    }
}
