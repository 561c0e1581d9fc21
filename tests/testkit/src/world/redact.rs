//! Replaces what differs from run to run, so that output can be compared.

use std::env;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use crate::cluster::made_namespaces;

/// Knows the paths and namespaces that stand for themselves only once.
#[derive(Clone, Debug)]
pub(super) struct Redactor {
    /// What to replace by what, in order: longer texts first where one is
    /// the beginning of another.
    texts: Vec<(String, &'static str)>,
}

/// The directory of a cluster, which a kubeconfig may name.
static CLUSTER: LazyLock<Regex> = LazyLock::new(|| {
    let dir = env::temp_dir().join("kb-cluster-");
    let dir = regex::escape(&dir.to_string_lossy());
    Regex::new(&format!("{dir}[A-Za-z0-9]+")).expect("it is valid")
});

/// A loopback address with a port.
static PORT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"127\.0\.0\.1:[0-9]+").expect("it is valid"));

/// An age private key, post-quantum ones and cut-off ones included.
static PRIVATE_KEY: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"AGE-SECRET-KEY-[A-Z0-9-]+").expect("it is valid"));

/// An age recipient. A placeholder such as `age1abc` is shorter and stays.
static RECIPIENT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\bage1[a-z0-9]{58,}\b").expect("it is valid"));

impl Redactor {
    /// For the world at `root`, and the namespaces made so far.
    pub(super) fn new(root: &Path) -> Self {
        let text = |path: &Path| path.to_str().expect("a temporary path is UTF-8").to_owned();
        let mut texts = vec![
            (text(&root.join("repo")), "[REPO]"),
            (text(&root.join("home")), "[HOME]"),
            (text(root), "[WORLD]"),
        ];
        let mut namespaces = made_namespaces();
        namespaces.sort_by_key(|name| std::cmp::Reverse(name.len()));
        texts.extend(namespaces.into_iter().map(|name| (name, "[NS]")));
        Self { texts }
    }

    pub(super) fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (from, to) in &self.texts {
            text = text.replace(from, to);
        }
        let text = CLUSTER.replace_all(&text, "[CLUSTER]");
        let text = PORT.replace_all(&text, "127.0.0.1:[PORT]");
        let text = PRIVATE_KEY.replace_all(&text, "[PRIVATE KEY]");
        RECIPIENT.replace_all(&text, "[RECIPIENT]").into_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::path::Path;

    use super::Redactor;

    #[test]
    fn what_differs_from_run_to_run_is_named_instead() {
        let redactor = Redactor::new(Path::new("/tmp/kb-world-x"));
        let recipient = format!("age1{}", "q".repeat(58));
        let text = format!(
            "/tmp/kb-world-x/repo/a /tmp/kb-world-x/home /tmp/kb-world-x/tmp/b \
             https://127.0.0.1:4711/x {recipient},{recipient} AGE-SECRET-KEY-1{} age1abc {}/ca.pem",
            "A".repeat(58),
            env::temp_dir().join("kb-cluster-aB3x").display()
        );
        assert_eq!(
            redactor.redact(&text),
            "[REPO]/a [HOME] [WORLD]/tmp/b https://127.0.0.1:[PORT]/x \
             [RECIPIENT],[RECIPIENT] [PRIVATE KEY] age1abc [CLUSTER]/ca.pem"
        );
    }
}
