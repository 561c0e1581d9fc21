//! The key servers that were accepted on this machine.
//!
//! A rule may name a server (Vault, a cloud's KMS), and whoever edits `.sops.yaml` in a
//! branch can name theirs: the data key and the person's credentials would go there. So a
//! server is used only after it was accepted once, as with the `known_hosts` of ssh. The
//! list is the person's, outside of any repository: one server in a line, sorted.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::readers::{Reader, Readers};
use super::regular_file::{self, LARGEST_CONFIG};
use super::replace::ReplaceError;
use super::state;

/// So often is the list read and written anew when another kb changes it meanwhile.
const ATTEMPTS: usize = 5;

/// The servers that were accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Servers {
    /// Where the list is; `None` where nothing can be remembered.
    path: Option<PathBuf>,
    /// Those of the list.
    listed: BTreeSet<String>,
    /// Those for this run alone.
    allowed: BTreeSet<String>,
}

/// Why the list is not read or written.
#[derive(Debug, thiserror::Error)]
pub enum ServersError {
    /// It cannot be read.
    #[error("cannot read {}, the list of accepted key servers", .path.display())]
    Read {
        /// The list.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It cannot be written.
    #[error("cannot remember the key server")]
    Write(#[source] ReplaceError),
    /// Its name has a line end or another control character in it.
    #[error("{server:?} is not the name of a key server")]
    Name {
        /// The name.
        server: String,
    },
}

impl Servers {
    /// Reads the list at `path`; where there is none, nothing was accepted yet. Those that
    /// are `allowed` are accepted for this run.
    ///
    /// # Errors
    /// [`ServersError::Read`]
    pub fn load(
        path: Option<PathBuf>,
        allowed: impl IntoIterator<Item = String>,
    ) -> Result<Self, ServersError> {
        let listed = match &path {
            Some(path) => parse(&read(path)?.unwrap_or_default()),
            None => BTreeSet::new(),
        };
        Ok(Self {
            path,
            listed,
            allowed: allowed.into_iter().map(|it| canonical(&it)).collect(),
        })
    }

    /// Whether the key is used on this machine, or on a server that was accepted.
    pub fn accepts(&self, reader: &Reader) -> bool {
        reader
            .server()
            .is_none_or(|server| self.accepts_name(&server))
    }

    /// Whether the server of this name was accepted.
    pub fn accepts_name(&self, server: &str) -> bool {
        let name = canonical(server);
        self.listed.contains(&name) || self.allowed.contains(&name)
    }

    /// The servers of these keys that were not accepted, each once.
    pub fn not_accepted(&self, readers: &Readers) -> Vec<String> {
        let mut servers: Vec<String> = readers
            .all()
            .filter(|reader| !self.accepts(reader))
            .filter_map(Reader::server)
            .collect();
        servers.sort_unstable();
        servers.dedup();
        servers
    }

    /// Accepts a server, and remembers it for later runs where there is a list.
    ///
    /// # Errors
    /// [`ServersError`]; then it is not accepted.
    pub fn accept(&mut self, server: &str) -> Result<(), ServersError> {
        let name = canonical(server);
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(ServersError::Name { server: name });
        }
        match self.path.clone() {
            Some(path) => self.listed = add(&path, &name)?,
            None => drop(self.allowed.insert(name)),
        }
        Ok(())
    }
}

/// The list with one more server in it.
fn add(path: &Path, name: &str) -> Result<BTreeSet<String>, ServersError> {
    let mut attempts = ATTEMPTS;
    loop {
        let before = read(path)?;
        let mut listed = parse(before.as_deref().unwrap_or_default());
        if !listed.insert(name.to_owned()) {
            return Ok(listed);
        }
        let text: String = listed.iter().map(|server| format!("{server}\n")).collect();
        attempts -= 1;
        match state::write(path, before.as_deref().map(str::as_bytes), text.as_bytes()) {
            Err(ReplaceError::Changed { .. }) if attempts > 0 => {}
            written => return written.map_err(ServersError::Write).map(|()| listed),
        }
    }
}

/// The text of the list; `None` if there is none.
fn read(path: &Path) -> Result<Option<String>, ServersError> {
    match regular_file::read(path, LARGEST_CONFIG) {
        Ok(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ServersError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

fn parse(text: &str) -> BTreeSet<String> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(canonical)
        .collect()
}

/// The one spelling of a server: of a URL the scheme, host and port alone, in lower case.
/// The names of cloud keys stay as they are.
fn canonical(server: &str) -> String {
    let server = server.trim();
    let Some((scheme, rest)) = server.split_once("://") else {
        return server.to_owned();
    };
    let is_scheme = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match rest.split_once('/').map_or(rest, |(host, _)| host) {
        // What is not plainly a host could be another one for sops.
        host if is_scheme && host.bytes().all(is_of_host) => {
            format!("{scheme}://{host}").to_ascii_lowercase()
        }
        _ => server.to_owned(),
    }
}

fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn vault(address: &str) -> Reader {
        Reader::Vault {
            address: address.to_owned(),
            engine: "transit".to_owned(),
            key: "k".to_owned(),
        }
    }

    #[test]
    fn a_server_that_was_accepted_is_remembered_for_the_person_alone() {
        let directory = tempfile::Builder::new().tempdir().expect("a directory");
        let path = directory.path().join("state/kb/servers");
        let load = || Servers::load(Some(path.clone()), []).expect("it is read");
        let (one, other) = (
            vault("https://vault.one"),
            vault("https://vault.other:8200"),
        );
        let mut servers = load();
        assert!(!servers.accepts(&one));
        assert!(!path.exists(), "asking writes nothing");
        servers.accept("https://vault.one").expect("it is written");
        assert!(servers.accepts(&one) && !servers.accepts(&other));
        assert!(load().accepts(&one) && !load().accepts(&other));
        let mode = std::fs::metadata(&path)
            .expect("a list")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, state::FILE_MODE);
        // Another run had another one accepted meanwhile.
        load().accept("https://vault.other:8200").expect("written");
        servers.accept("https://vault.third").expect("written");
        assert!(load().accepts(&other) && load().accepts(&one));
    }

    #[test]
    fn one_that_is_allowed_for_a_run_is_not_remembered() {
        let directory = tempfile::Builder::new().tempdir().expect("a directory");
        let path = directory.path().join("servers");
        // As one would copy it from the rule.
        let allowed = "https://Vault.One/v1/transit/keys/k".to_owned();
        let servers = Servers::load(Some(path.clone()), [allowed]).expect("it is read");
        assert!(servers.accepts(&vault("https://vault.one")));
        assert!(!path.exists());
        let mut nowhere = Servers::load(None, []).expect("nothing to read");
        nowhere.accept("https://vault.one").expect("accepted");
        assert!(nowhere.accepts(&vault("https://vault.one")));
    }

    #[test]
    fn only_the_very_server_is_accepted() {
        let allowed = "https://vault.one".to_owned();
        let servers = Servers::load(None, [allowed]).expect("nothing to read");
        for address in [
            "http://vault.one",
            "https://vault.one:8200",
            "https://vault.one.evil",
            "https://vault.one@evil",
            "https://vault.one\\@evil",
            "https://evil#https://vault.one",
            "https://vault.one\nhttps://evil",
            "https://vault.one?x",
            "",
        ] {
            assert!(!servers.accepts(&vault(address)), "{address:?}");
        }
        assert!(servers.accepts(&Reader::pgp("AB")), "a key on this machine");
        let mut servers = servers;
        let refused = servers.accept("https://a\nhttps://vault.two");
        assert!(matches!(refused, Err(ServersError::Name { .. })));
    }

    #[test]
    fn of_a_cloud_the_key_itself_is_accepted() {
        let (arn, other) = (
            "arn:aws:kms:eu-west-1:1:key/a",
            "arn:aws:kms:eu-west-1:2:key/a",
        );
        let servers = Servers::load(None, [arn.to_owned()]).expect("nothing to read");
        assert!(servers.accepts(&Reader::kms(arn, "")));
        assert!(!servers.accepts(&Reader::kms(other, "")));
        let readers = Readers {
            groups: vec![vec![Reader::kms(arn, ""), Reader::kms(other, "")]; 2],
            threshold: None,
        };
        assert_eq!(servers.not_accepted(&readers), [other]);
    }
}
