//! The proxy variables of the environment mean to kb what they mean to Go.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use fastrand::Rng;
use http::Uri;
use kb::core::cluster::kubeconfig::user_in;
use kb::core::cluster::{ProxyError, ProxyVariables, of_environment};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use testkit::generated::cases;

/// How many cases, of so many questions each.
const CASES: u64 = 60;
const QUESTIONS: usize = 50;

const HOSTS: &[&str] = &[
    "example.com",
    "a.example.com",
    "EXAMPLE.com",
    "xexample.com",
    "localhost",
    "LOCALHOST",
    "a.localhost",
    "127.0.0.1",
    "127.1.2.3",
    "10.1.2.3",
    "10.2.0.1",
    "192.168.0.1",
    "[::1]",
    "[fd00::1]",
    "[::ffff:10.1.2.3]",
    "[::ffff:127.0.0.1]",
    "kubernetes",
    "example.com.",
    "a-b.c",
    "[FD00::1]",
    "0.0.0.0",
    "[::]",
    "010.1.2.3",
    "1.2.3",
];
const PORTS: &[&str] = &["", ":443", ":80", ":6443", ":"];
const EXCEPTIONS: &[&str] = &[
    "example.com",
    ".example.com",
    "*.example.com",
    "*",
    "com",
    ".com",
    "*example.com",
    "**",
    "localhost",
    "10.0.0.0/8",
    "10.1.2.3",
    "10.1.2.3/32",
    "10.1.2.0/24",
    "10.1.2.3/0",
    "10.1.2.3/33",
    "10.1.2.3/08",
    "10.1.2.3/",
    "10.1/16",
    "::1",
    "[::1]",
    "fd00::/8",
    "fd00::1",
    "[fd00::1]",
    "FD00::1",
    "::ffff:10.1.2.3",
    "::ffff:10.0.0.0/104",
    "::ffff:10.0.0.0/90",
    "::/0",
    "0.0.0.0/0",
    "",
    " ",
    ".",
    "*.",
    "..",
    ":443",
    "example.com.",
    "kubernetes",
    "10.1.2.3:443:1",
    "a.b.c.d",
    "[example.com]",
    "https://example.com",
    "example.com/a",
    "0:0::1",
    "[10.1.2.3]",
    "010.1.2.3",
];
const PROXIES: &[&str] = &[
    "",
    "http://proxy.example:3128",
    "proxy.example:3128",
    "proxy.example",
    "https://proxy.example",
    "socks5://proxy.example",
    "socks5h://proxy.example:1",
    "HTTP://Proxy.example",
    "me:p%40ss@proxy.example:3128",
    "http://me:p@proxy.example",
    "http://me@proxy.example:1/path?q#f",
    "10.0.0.1:3128",
    "[::1]:3128",
    "http://[::1]:3128",
    "http://proxy.example:",
    "ftp://proxy.example:1",
    "://",
    "http://",
    "http:",
    " http://proxy.example",
    "http://pro xy",
    "http://proxy:port",
    "http://proxy:99999",
    "/proxy",
    "//proxy:1",
    "localhost:3128",
    "?",
    "%",
    "socks4://proxy:1",
];

fn one(rng: &mut Rng, of: &[&str]) -> String {
    of[rng.usize(..of.len())].to_owned()
}

fn no_proxy(rng: &mut Rng) -> String {
    let entries = (0..rng.usize(..4)).map(|_| {
        // An entry made of a host is more often the one that counts.
        let entry = match rng.bool() {
            true => one(rng, EXCEPTIONS),
            false => one(rng, HOSTS),
        };
        let space = one(rng, &["", "", "", " ", "\t"]);
        let port = match rng.u32(..3) {
            0 => one(rng, PORTS),
            _ => String::new(),
        };
        format!("{space}{entry}{port}{space}")
    });
    entries.collect::<Vec<_>>().join(",")
}

/// What Go says.
struct Judge(Mutex<(Child, BufReader<ChildStdout>)>);

impl Judge {
    fn start() -> Self {
        let mut command = Command::new(testkit::Tools::proxy());
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the judge");
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        Self(Mutex::new((child, answers)))
    }

    fn ask(&self, question: &Value) -> Value {
        let mut judge = self.0.lock().expect("no panic");
        let asked = judge.0.stdin.as_mut().expect("a pipe");
        writeln!(asked, "{question}").expect("asked");
        let mut answer = String::new();
        judge.1.read_line(&mut answer).expect("an answer");
        serde_json::from_str(&answer).expect("JSON")
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        if let Ok(judge) = self.0.get_mut() {
            let _ = judge.0.kill();
            let _ = judge.0.wait();
        }
    }
}

/// Go's proxy as kb writes it; `None` of one that kb cannot use.
fn usable(proxy: &Value) -> Option<Value> {
    let port = match proxy["Scheme"].as_str()? {
        "http" => "80",
        "https" => "443",
        "socks5" | "socks5h" => "1080",
        _ => return None,
    };
    let mut proxy = proxy.clone();
    if proxy["Port"] == "" {
        proxy["Port"] = port.into();
    }
    let is_port = proxy["Port"].as_str()?.parse::<u16>().is_ok();
    (is_port && proxy["Host"] != "").then_some(proxy)
}

fn of_kb(proxy: &Uri) -> Value {
    let (user, password) = user_in(proxy).unwrap_or_default();
    json!({
        "Scheme": proxy.scheme_str(),
        "Host": proxy.host().unwrap_or_default().trim_matches(['[', ']']),
        "Port": proxy.port_u16().map(|port| port.to_string()),
        "User": user,
        "Password": password.expose_secret(),
    })
}

/// But for a proxy that cannot be used, which Go goes around, and kb does not.
#[test]
fn generated_variables_mean_to_kb_what_they_mean_to_go() {
    let judges: Vec<Judge> = (0..std::thread::available_parallelism().map_or(1, usize::from))
        .map(|_| Judge::start())
        .collect();
    cases(CASES, |rng, worker| {
        for _ in 0..QUESTIONS {
            let (scheme, host) = (one(rng, &["https", "https", "http"]), one(rng, HOSTS));
            let server = format!("{scheme}://{host}{}/a", one(rng, PORTS));
            let variables = ProxyVariables {
                https: one(rng, PROXIES),
                http: one(rng, PROXIES),
                no: no_proxy(rng),
                cgi: rng.u32(..20) == 0,
            };
            let judged = judges[worker].ask(&json!({
                "HTTPS": variables.https, "HTTP": variables.http, "No": variables.no,
                "CGI": variables.cgi, "Server": server,
            }));
            let uri = server.parse::<Uri>().expect("a server");
            let chosen = of_environment(&uri, &variables);
            let shown = format!("{server} {variables:?}: {chosen:?}, {judged}");
            let is_named = !match scheme.as_str() {
                "https" => variables.https,
                _ => variables.http,
            }
            .is_empty();
            let go = &judged["Proxy"];
            match chosen {
                Ok(Some(proxy)) => assert_eq!(Some(of_kb(&proxy)), usable(go), "{shown}"),
                Ok(None) => {
                    assert!(go.is_null() && judged["Refused"] == false, "{shown}");
                    assert!(!is_named || judged["Excepted"] == true, "{shown}");
                }
                Err(ProxyError::Cgi) => assert!(variables.cgi && go.is_null(), "{shown}"),
                Err(ProxyError::Url { .. }) => {
                    // Go takes `http://` for the host http.
                    let is_unusable = usable(go).is_none_or(|go| go["Host"] == "http");
                    assert!(is_unusable && judged["Excepted"] == false, "{shown}");
                }
            }
        }
    });
}
