//! Kubeconfigs of all sorts: whole, half, contradictory, and spelled as people and tools do.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fastrand::Rng;
use testkit::Pki;

use super::recorder::Recorders;
use super::yaml::Yaml::{self, List, Map, Plain, Text};
use super::yaml::{block, flow};

/// What takes the place of a value now and then: nothing, or another type.
const ODD: &[&str] = &[
    "~",
    "null",
    "\"\"",
    "yes",
    "\"yes\"",
    "12",
    "1.5",
    "[]",
    "{}",
    "true",
    "2001-01-01",
    "0x1F",
    "!!str 12",
    "[a]",
    "{a: b}",
    "01",
    "1_000",
    "\"~\"",
    "off",
    "|-\n  a",
];

/// Names as they are written.
const NAMES: &[&str] = &["a", "b", "\"c d\"", "c"];

/// What a kubeconfig may lead to.
pub(super) struct Places<'p> {
    pub(super) recorders: &'p Recorders,
    pub(super) pkis: [&'p Pki; 2],
    pub(super) socks: &'p str,
    pub(super) http_proxy: &'p str,
    pub(super) directory: &'p str,
}

fn one<'a>(rng: &mut Rng, of: &[&'a str]) -> &'a str {
    of[rng.usize(..of.len())]
}

fn one_in(rng: &mut Rng, many: u32) -> bool {
    rng.u32(..many) == 0
}

fn text(text: impl Into<String>) -> Yaml {
    Text(text.into())
}

fn plain(text: &str) -> Yaml {
    Plain(text.to_owned())
}

fn base64(rng: &mut Rng, data: &str) -> Yaml {
    let encoded = STANDARD.encode(data);
    match rng.u32(..8) {
        0 => {
            let lines: Vec<_> = encoded
                .as_bytes()
                .chunks(64)
                .map(String::from_utf8_lossy)
                .collect();
            text(lines.join("\n") + "\n")
        }
        1 if one_in(rng, 20) => text(encoded.replacen('A', "A ", 1)),
        2 if one_in(rng, 20) => text(encoded.trim_end_matches('=')),
        _ => text(encoded),
    }
}

/// The fields of a mapping, with what happens to any of them now and then.
fn mapping(rng: &mut Rng, mut fields: Vec<(String, Yaml)>) -> Yaml {
    if one_in(rng, 20) && !fields.is_empty() {
        // The last of two equal keys counts.
        let twice = fields[rng.usize(..fields.len())].0.clone();
        let value = match one_in(rng, 5) {
            true => plain(one(rng, ODD)),
            false => fields
                .iter()
                .find(|field| field.0 == twice)
                .expect("a field")
                .1
                .clone(),
        };
        let at = rng.usize(..=fields.len());
        fields.insert(at, (twice.clone(), value));
    }
    if one_in(rng, 500) && !fields.is_empty() {
        let at = rng.usize(..fields.len());
        fields[at].1 = plain(one(rng, ODD));
    }
    if one_in(rng, 40) && !fields.is_empty() {
        let merged = fields.remove(rng.usize(..fields.len()));
        let at = rng.usize(..=fields.len());
        fields.insert(at, ("<<".to_owned(), Map(vec![merged])));
    }
    if one_in(rng, 20) {
        fields.push(("unknown".to_owned(), plain(one(rng, ODD))));
    }
    rng.shuffle(&mut fields);
    Map(fields)
}

struct Fields<'r> {
    rng: &'r mut Rng,
    fields: Vec<(String, Yaml)>,
}

impl Fields<'_> {
    /// Adds a field in so many of a hundred cases.
    fn add(&mut self, percent: u32, name: &str, value: impl FnOnce(&mut Rng) -> Yaml) {
        if self.rng.u32(..100) < percent {
            let value = value(self.rng);
            self.fields.push((name.to_owned(), value));
        }
    }
}

fn fields(rng: &mut Rng, add: impl FnOnce(&mut Fields<'_>)) -> Yaml {
    let mut all = Fields {
        rng,
        fields: Vec::new(),
    };
    add(&mut all);
    let fields = all.fields;
    mapping(rng, fields)
}

fn cluster(rng: &mut Rng, places: &Places<'_>) -> Yaml {
    let recorders = places.recorders;
    let which = usize::from(one_in(rng, 4));
    let port = [recorders.first, recorders.second][which];
    let server = match rng.u32(..24) {
        0..=12 => format!("https://127.0.0.1:{port}"),
        13 => format!("https://localhost:{port}"),
        14 => format!("HTTPS://127.0.0.1:{port}/"),
        15 => format!("https://127.0.0.1:{port}/a/b"),
        16 => format!("https://127.0.0.1:{port}/a/?q=1#f"),
        17 => format!("https://me:p%40ss@127.0.0.1:{port}"),
        18 => String::new(),
        19 => format!("https://127.0.0.1:{port}?q=1"),
        20 => "https://".to_owned(),
        _ => format!("http://127.0.0.1:{}", recorders.plain),
    };
    let is_plain = server.starts_with("http:");
    let authority = match one_in(rng, 6) {
        true => 1 - which,
        false => which,
    };
    let ca = &places.pkis[authority].ca;
    let ca_file = format!("ca{authority}.crt");
    let trust = rng.u32(..16);
    fields(rng, |cluster| {
        cluster.add(97, "server", |_| text(server));
        if trust < 8 {
            cluster.add(100, "certificate-authority-data", |rng| base64(rng, ca));
        }
        if (7..11).contains(&trust) {
            cluster.add(100, "certificate-authority", |rng| match rng.u32(..8) {
                0 => text(format!("{}/{ca_file}", places.directory)),
                1 => text("nowhere.crt"),
                2 => text(format!("./{ca_file}")),
                _ => text(&*ca_file),
            });
        }
        if trust == 11 || trust == 12 {
            let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
            cluster.add(100, "certificate-authority-data", |rng| {
                let bundle = match rng.u32(..5) {
                    0 => broken.to_owned(),
                    1 => format!("{broken}{ca}"),
                    2 => format!("# comment\n{ca}{}", broken.replace("AAAA", "%%%%")),
                    3 => format!("{}{ca}", broken.replace("AAAA", "%%%%")),
                    _ => "no PEM".to_owned(),
                };
                base64(rng, &bundle)
            });
        }
        let insecure = if trust >= 13 { 80 } else { 4 };
        cluster.add(insecure, "insecure-skip-tls-verify", |_| plain("true"));
        cluster.add(15, "tls-server-name", |rng| {
            text(one(
                rng,
                &[
                    "kb-test.example",
                    "kb-test.example",
                    "other.example",
                    "",
                    "127.0.0.1",
                ],
            ))
        });
        cluster.add(12, "proxy-url", |rng| match rng.u32(..8) {
            0 => text(""),
            1 => text("ftp://127.0.0.1:1"),
            2 => text("127.0.0.1:1"),
            3 => text(places.socks.replace("socks5", "socks5h")),
            4 | 5 if !is_plain => text(places.http_proxy),
            _ => text(places.socks),
        });
        cluster.add(6, "disable-compression", |_| plain("true"));
        cluster.add(6, "extensions", |rng| {
            let named = |name: &str, value: &str| {
                Map(vec![
                    ("name".to_owned(), text(name)),
                    ("extension".to_owned(), plain(value)),
                ])
            };
            let exec = "client.authentication.k8s.io/exec";
            let mut list = vec![named(exec, "{a: [1, {b: yes}]}"), named("x", "~")];
            if one_in(rng, 6) {
                list.push(named("x", "{}"));
            }
            List(list)
        });
    })
}

fn user(rng: &mut Rng, places: &Places<'_>) -> Yaml {
    // Mostly one way to log in.
    let way = rng.u32(..12);
    let percent = |is_way: bool, often: u32| if is_way { often } else { 4 };
    let number = rng.usize(..2);
    let pki = places.pkis[number];
    let in_files = one_in(rng, 2);
    fields(rng, |user| {
        user.add(percent(way < 3, 96), "token", |rng| {
            text(one(
                rng,
                &["t1", "t1", "t1", "t1", "t1", "", "t 1", " t", "t\n", "tök"],
            ))
        });
        user.add(percent(way == 3 || way == 4, 96), "tokenFile", |rng| {
            let files = [
                "token", "token", "token", "./token", "empty", "blank", "none", "two",
            ];
            text(one(rng, &files))
        });
        let percent_certificate = percent((5..8).contains(&way), 95);
        let other = places.pkis[1 - number];
        if in_files {
            user.add(percent_certificate, "client-certificate", |_| {
                text(format!("me{number}.crt"))
            });
            user.add(percent_certificate, "client-key", |rng| {
                match rng.u32(..10) {
                    0 => text("none.key"),
                    1 => text(format!("me{}.key", 1 - number)),
                    _ => text(format!("me{number}.key")),
                }
            });
        }
        if !in_files || one_in(user.rng, 12) {
            user.add(percent_certificate, "client-certificate-data", |rng| {
                base64(rng, &pki.client_cert)
            });
            user.add(percent_certificate, "client-key-data", |rng| {
                match rng.u32(..10) {
                    0 => base64(rng, &other.client_key),
                    1 => base64(rng, "no PEM"),
                    _ => base64(rng, &pki.client_key),
                }
            });
        }
        user.add(percent(way == 8, 90), "username", |rng| {
            text(one(rng, &["me", "me", "mé", ""]))
        });
        user.add(percent(way == 8, 90), "password", |rng| {
            text(one(rng, &["p", "p:w", "pä", ""]))
        });
        user.add(percent(way == 9, 96), "exec", |rng| exec(rng, places));
        user.add(percent(way == 10, 50), "auth-provider", |rng| {
            auth_provider(rng)
        });
        user.add(25, "as", |rng| text(one(rng, &["someone", "someone", ""])));
        user.add(3, "as-uid", |_| text("7"));
        user.add(4, "as-groups", |rng| {
            let groups = ["[g, h]", "[g]", "[g]", "[\"1\"]", "[]", "[g, ~]"];
            plain(if one_in(rng, 20) {
                one(rng, &["g", "[1]"])
            } else {
                one(rng, &groups)
            })
        });
        user.add(3, "as-user-extra", |rng| {
            plain(one(
                rng,
                &[
                    "{k: [v, w]}",
                    "{\"a/b%c\": [v]}",
                    "{K: [v]}",
                    "{k: ~}",
                    "{}",
                ],
            ))
        });
    })
}

fn exec(rng: &mut Rng, places: &Places<'_>) -> Yaml {
    let version = "client.authentication.k8s.io/v1";
    fields(rng, |exec| {
        exec.add(97, "command", |rng| match rng.u32(..10) {
            0 => text(format!("{}/plugin", places.directory)),
            1 => text("no-such-plugin"),
            2 => text("./none"),
            3 => text("kb-test-plugin"),
            _ => text("./plugin"),
        });
        exec.add(97, "apiVersion", |rng| match rng.u32(..8) {
            0 | 1 => text(format!("{version}beta1")),
            2 if one_in(rng, 2) => text(format!("{version}alpha1")),
            _ => text(version),
        });
        exec.add(90, "interactiveMode", |rng| {
            text(one(
                rng,
                &["Never", "Never", "IfAvailable", "Always", "never", ""],
            ))
        });
        exec.add(96, "args", |rng| {
            let answers = [
                "token",
                "token",
                "certificate",
                "both",
                "half",
                "none",
                "old",
                "kind",
            ];
            List(vec![text(one(rng, &answers))])
        });
        exec.add(30, "env", |rng| {
            let lists = [
                "[{name: EXTRA, value: x}]",
                "[{name: EXTRA, value: x}, {name: EXTRA, value: y}]",
                "[{name: EXTRA}]",
                "[{value: x}]",
                "[{name: KUBERNETES_EXEC_INFO, value: x}]",
                "[{name: PATH, value: /usr/bin:/bin}]",
                "[~]",
            ];
            plain(one(rng, &lists))
        });
        exec.add(30, "provideClusterInfo", |rng| {
            plain(one(rng, &["true", "false"]))
        });
        exec.add(10, "installHint", |_| text("install it"));
    })
}

fn auth_provider(rng: &mut Rng) -> Yaml {
    // {"alg":"none"}.{"exp":99999999999}
    let token = "eyJhbGciOiJub25lIn0.eyJleHAiOjk5OTk5OTk5OTk5fQ.x";
    let config = fields(rng, |config| {
        config.add(95, "client-id", |_| text("kb"));
        config.add(95, "idp-issuer-url", |_| text("https://127.0.0.1:1"));
        config.add(95, "id-token", |_| text(token));
    });
    fields(rng, |provider| {
        provider.add(95, "name", |rng| {
            text(one(rng, &["oidc", "oidc", "oidc", "gcp", "x"]))
        });
        provider.add(95, "config", |_| config);
    })
}

/// The list of named entries; a name may be in it twice.
fn entries(rng: &mut Rng, key: &str, value: impl Fn(&mut Rng) -> Yaml) -> Yaml {
    let mut names: Vec<&str> = NAMES.to_vec();
    names.retain(|name| rng.u32(..100) < if *name == "a" { 99 } else { 85 });
    rng.shuffle(&mut names);
    if one_in(rng, 120) && !names.is_empty() {
        names.push(names[0]);
    }
    let entries = names.iter().map(|name| {
        fields(rng, |entry| {
            // A context of no name is the current one where none is named.
            entry.add(if key == "context" { 98 } else { 100 }, "name", |_| {
                plain(name)
            });
            entry.add(98, key, |rng| value(rng));
        })
    });
    List(entries.collect())
}

/// A kubeconfig of 1 to 3 lists; several files have them all together, or not.
pub(super) fn kubeconfig(rng: &mut Rng, places: &Places<'_>) -> Vec<u8> {
    if one_in(rng, 80) {
        return one(
            rng,
            &[
                "",
                "# nothing\n",
                "---\n",
                "~",
                "[]",
                "text",
                "{",
                "a: b: c",
                "\0",
            ],
        )
        .into();
    }
    let root = fields(rng, |root| {
        root.add(80, "apiVersion", |rng| match one_in(rng, 80) {
            true => text(one(rng, &["v2", "", "/v1", "a/v1", "/"])),
            false => text("v1"),
        });
        root.add(80, "kind", |rng| match one_in(rng, 80) {
            true => text(one(rng, &["Pod", "", "config", "Config"])),
            false => text("Config"),
        });
        root.add(96, "current-context", |rng| {
            plain(one(rng, &["a", "a", "a", "a", "a", "a", "b", "c", "\"\""]))
        });
        root.add(10, "preferences", |rng| {
            plain(one(rng, &["{}", "{colors: true}", "~"]))
        });
        root.add(99, "clusters", |rng| {
            entries(rng, "cluster", |rng| cluster(rng, places))
        });
        root.add(99, "users", |rng| {
            entries(rng, "user", |rng| user(rng, places))
        });
        root.add(99, "contexts", |rng| {
            entries(rng, "context", |rng| {
                fields(rng, |context| {
                    context.add(98, "cluster", |rng| {
                        plain(one(rng, &["a", "a", "a", "a", "b", "\"c d\"", "c"]))
                    });
                    context.add(98, "user", |rng| {
                        plain(one(rng, &["a", "a", "a", "a", "b", "\"c d\"", "gone"]))
                    });
                    context.add(20, "namespace", |_| text("n"));
                })
            })
        });
    });
    let mut written = String::new();
    match one_in(rng, 2) {
        true => flow(&root, &mut written),
        false => block(&root, 0, &mut written),
    }
    written.push('\n');
    match rng.u32(..30) {
        0 => written.insert(0, '\u{feff}'),
        1 => written.push_str("---\nclusters: 5\n"),
        2 => written.insert_str(0, "# a comment\n---\n"),
        3 => {
            let units = format!("\u{feff}{written}");
            return units.encode_utf16().flat_map(u16::to_le_bytes).collect();
        }
        4 => written = written.replace('\n', "\r\n"),
        _ => {}
    }
    written.into_bytes()
}
