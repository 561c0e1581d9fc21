//! Examples print what is shown.
//!
//! A `console` block is run line by line, on real API servers: `$ ` begins a command,
//! `> ` continues it, and what follows is its output. Each page is a story of its own, with
//! a new repository, two contexts (`prod`, which is the current one, and `staging`) without
//! keys, and an `$EDITOR` that types in `~/typed`. Comments that begin with `<!-- run` are
//! scripts that prepare what a reader has already.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::OnceLock;

use regex::{Captures, Regex};
use serde_json::Value;
use testkit::{Cluster, Tools, World};

use super::pages::{Block, Page, RUN};
use super::{difference, markdown_files, root};
use crate::bare_world;

const CONSOLE: &str = "console";
const CONTEXTS: [&str; 2] = ["prod", "staging"];

#[test]
fn every_example_prints_what_is_shown() {
    let pages = markdown_files().into_iter().map(|path| Page::read(&path));
    let with_examples = |page: &Page| page.blocks.iter().any(|it| it.language == CONSOLE);
    let pages: Vec<Page> = pages.filter(with_examples).collect();
    assert!(!pages.is_empty(), "no page has an example");
    let differences = pages.iter().filter_map(|page| {
        let text = Story::new().play(page);
        difference(&page.path, &text)
    });
    let differences: Vec<String> = differences.collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The clusters of the contexts. The namespace `flux-system` is theirs alone.
fn clusters() -> &'static [Cluster; 2] {
    static CLUSTERS: OnceLock<[Cluster; 2]> = OnceLock::new();
    CLUSTERS.get_or_init(|| {
        std::thread::scope(|scope| {
            CONTEXTS
                .map(|_| scope.spawn(Cluster::start))
                .map(|cluster| cluster.join().expect("a cluster"))
        })
    })
}

/// What is deleted before a page begins.
const OBJECTS: [&str; 2] = [
    "/api/v1/namespaces/flux-system/secrets/sops-age",
    "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations",
];

/// What differs from run to run everywhere, and what replaces it.
const VARIABLE: [(&str, &str); 6] = [
    ("AGE-SECRET-KEY-1[A-Z0-9]{58}", "AGE-SECRET-KEY-1…"),
    (r"data:[^,]*,iv:[^,]*,tag:[^,]*,", "data:…,iv:…,tag:…,"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2026-11-30T09:00:00Z"),
    // A commit, whole and short.
    (r"\b[0-9a-f]{40}\b", "3f1c…"),
    (r"\([0-9a-f]{10}\)", "(3f1c…)"),
    // A draft.
    (r"\.[0-9a-f]{8}\.age\b", ".1b2c3d4e.age"),
];

/// A page's repository, and what differs from run to run in it.
struct Story {
    world: World,
    /// Texts, longest first, and what replaces them.
    texts: Vec<(String, String)>,
    /// Recipients in the order in which they were shown.
    recipients: Vec<String>,
}

impl Story {
    fn new() -> Self {
        let mut world = bare_world();
        world.runtime_dir();
        world.env(
            "EDITOR",
            format!("cp {}", world.home().join("typed").display()),
        );
        world.env("KB_SOURCE", root());
        let programs = [
            ("kb", Path::new(env!("CARGO_BIN_EXE_kb"))),
            ("kubectl", &Tools::get().kubectl()),
            ("age", &Tools::get().age),
        ];
        for (name, program) in programs {
            let link = world.bin().join(name);
            std::os::unix::fs::symlink(program, link).expect("the directory is new");
        }
        let mut kubeconfig = Value::Null;
        let mut texts = Vec::new();
        for (cluster, context) in clusters().iter().zip(CONTEXTS) {
            cluster.create_namespace("flux-system");
            cluster.install_kustomizations();
            for path in OBJECTS {
                cluster.request("DELETE", path, None);
            }
            merge(
                &mut kubeconfig,
                &cluster.kubeconfig().context_name(context).to_yaml(),
            );
            let server = format!("https://{context}.example.org:6443");
            texts.push((cluster.server(), server));
        }
        world.kubeconfig(&kubeconfig.to_string());
        let path = |path: std::path::PathBuf| path.to_str().expect("UTF-8").to_owned();
        texts.push((path(world.repo()), "/home/ann/fleet".to_owned()));
        texts.push((path(world.home()), "/home/ann".to_owned()));
        texts.push((path(world.root().to_owned()), "/home/ann".to_owned()));
        Self {
            world,
            texts,
            recipients: Vec::new(),
        }
    }

    /// Runs what is in the page; its text with the output that there was.
    fn play(&mut self, page: &Page) -> String {
        let mut text = String::new();
        let mut end = 0;
        for block in &page.blocks {
            let place = format!("{}:{}", page.path.display(), block.line);
            let content = page.content(block);
            if block.language == RUN {
                let run = self.world.tool("sh", ["-e", "-c", content]);
                assert!(run.code == Some(0), "{place}: {}{}", run.out(), run.err());
            } else if block.language == CONSOLE {
                text.push_str(&page.text[end..block.range.start]);
                text.push_str(&self.console(page, block));
                end = block.range.end;
            }
        }
        text + &page.text[end..]
    }

    fn console(&mut self, page: &Page, block: &Block) -> String {
        let mut text = String::new();
        let mut lines = page.content(block).lines().peekable();
        while let Some(line) = lines.next() {
            let Some(command) = line.strip_prefix("$ ") else {
                continue;
            };
            let mut script = format!("exec 2>&1\n{command}\n");
            writeln!(text, "{line}").expect("a String takes all");
            while let Some(line) = lines.next_if(|line| line.starts_with("> ")) {
                writeln!(script, "{}", &line[2..]).expect("a String takes all");
                writeln!(text, "{line}").expect("a String takes all");
            }
            let run = self.world.tool("sh", ["-c", &*script]);
            let output = self.normalized(run.out());
            text.push_str(&output);
            if !output.is_empty() && !output.ends_with('\n') {
                text.push('\n');
            }
            match run.code {
                Some(0) => {}
                Some(code) => writeln!(text, "(exit code {code})").expect("a String takes all"),
                None => panic!("{}: {command}: {}", page.path.display(), run.status),
            }
        }
        text
    }

    /// A text without what differs from run to run.
    fn normalized(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for (from, to) in &self.texts {
            text = text.replace(from, to);
        }
        for (pattern, replacement) in VARIABLE {
            text = regex(pattern).replace_all(&text, replacement).into_owned();
        }
        regex(r"\bage1[a-z0-9]{58}\b")
            .replace_all(&text, |found: &Captures| self.name_of(&found[0]))
            .into_owned()
    }

    /// `age1aaaa…` is the first that was shown, and so on.
    fn name_of(&mut self, recipient: &str) -> String {
        let known = self.recipients.iter().position(|it| it == recipient);
        let number = known.unwrap_or_else(|| {
            self.recipients.push(recipient.to_owned());
            self.recipients.len() - 1
        });
        let letter = char::from(b'a' + u8::try_from(number).expect("a few recipients"));
        format!("age1{}…", String::from(letter).repeat(4))
    }
}

fn regex(text: &str) -> Regex {
    Regex::new(text).expect("it is valid")
}

/// Adds a kubeconfig's entries to another one's. The first has the current context.
fn merge(kubeconfig: &mut Value, text: &str) {
    let other: Value = serde_json::from_str(text).expect("JSON");
    if kubeconfig.is_null() {
        *kubeconfig = other;
        return;
    }
    for list in ["clusters", "users", "contexts"] {
        let more = other[list].as_array().expect("a list").clone();
        let list = kubeconfig[list].as_array_mut().expect("a list");
        list.extend(more);
    }
}
