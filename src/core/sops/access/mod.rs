//! What sops can reach: the environment that it runs in.
//!
//! Nothing authenticates the metadata of a file, and an entry there makes sops contact
//! the server that it names, with the credentials that it finds. So a sops process gets a
//! closed environment: what it needs to run, the age identities that kb hands over, and
//! the settings of those kinds of keys that the caller allows. Callers allow the kinds
//! that a rule names, and remove all other entries from what sops reads; this is the
//! second fence.

mod settings;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use super::{KEY_VARIABLE, Sops};
use crate::core::readers::{KeyKind, Readers};
use settings::{
    ALWAYS, KEY_PROGRAMS, LOCAL_FIRST, LOCALE, NO_ONE, NOT_BY_PROXY, NOWHERE, OF_OTHER_KINDS,
    OF_SHIM_PROGRAMS, OF_SHIMS, ORDER, PROXIES, RECIPIENTS, SETTINGS, TRUST, VERSION_CHECK,
};

/// Whose age identities sops may use.
#[derive(Clone, Copy)]
pub enum AllowedIdentities<'a> {
    /// The cluster's identities, and no other age key from the environment.
    Cluster(&'a SecretString),
    /// The person's own, wherever sops finds them.
    Own,
    /// None: to encrypt needs no private key.
    None,
}

/// What one sops process may use.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    /// The age identities.
    pub keys: AllowedIdentities<'a>,
    /// The kinds of keys beside age that it may use: those that the rule names, as far as
    /// their servers were accepted ([`crate::core::servers`]). Of the other kinds it finds
    /// no credentials, and gives up before it contacts anyone.
    pub kinds: &'a [KeyKind],
}

impl<'a> Access<'a> {
    /// Only age.
    pub fn age(keys: AllowedIdentities<'a>) -> Self {
        Self { keys, kinds: &[] }
    }

    /// Keys that are used on this machine: age and PGP.
    pub fn local(keys: AllowedIdentities<'a>) -> Self {
        Self {
            keys,
            kinds: &[KeyKind::Pgp],
        }
    }

    fn allows(self, kind: KeyKind) -> bool {
        self.kinds.contains(&kind)
    }

    fn allows_a_server(self) -> bool {
        self.kinds.iter().any(|kind| kind.is_on_a_server())
    }
}

/// The kinds of the keys, each once.
pub fn kinds_of(readers: &Readers) -> Vec<KeyKind> {
    let mut kinds: Vec<KeyKind> = readers.all().map(|reader| reader.kind()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

type Variables = Vec<(OsString, OsString)>;

impl Sops {
    /// The environment of a sops process.
    pub(super) fn variables(&self, access: Access<'_>) -> Variables {
        let own = matches!(access.keys, AllowedIdentities::Own);
        let value = |wanted: &str| {
            let mut found = self.environment.iter().filter(|(name, _)| name == wanted);
            found.next().map(|(_, value)| value.as_os_str())
        };
        // Such a program, and what it needs, is the person's own business: it gets what it
        // would get from their shell.
        let runs_program = own && KEY_PROGRAMS.iter().any(|name| value(name).is_some());
        let is_passed = |name: &OsStr| {
            if is_one_of(name, &RECIPIENTS) || name == VERSION_CHECK || name == ORDER {
                return false;
            }
            match SETTINGS.iter().find(|it| begins(name, it.names)) {
                Some(settings) if access.allows(settings.kind) => true,
                // An age plugin may need a terminal, too.
                Some(settings) => runs_program || own && settings.kind == KeyKind::Pgp,
                None => own || self.is_passed_on(name, access),
            }
        };
        let known = self.environment.iter().filter(|(name, _)| is_passed(name));
        let mut variables: Variables = known.cloned().collect();
        let mut set = |name: &str, value: &OsStr| {
            variables.retain(|(known, _)| known != name);
            variables.push((name.into(), value.to_owned()));
        };
        for settings in SETTINGS.iter().filter(|it| !access.allows(it.kind)) {
            // Of the settings that turn a kind off, such a program minds all but sops's own.
            let off = settings.off.iter();
            for (name, value) in off.filter(|it| !runs_program || it.0.starts_with("SOPS_")) {
                set(name, value.as_ref());
            }
        }
        if !own {
            // Below them sops would find the person's own age keys.
            set("XDG_CONFIG_HOME", NOWHERE.as_ref());
            if !self.is_passed_on("HOME".as_ref(), access) {
                set("HOME", NOWHERE.as_ref());
            }
            // Where no server is allowed, none can be reached, and none is trusted, should
            // a setting above not do for some version of an SDK: azidentity before 1.10
            // knows none. (Go asks no proxy for a server on this machine.)
            if !access.allows_a_server() {
                for name in PROXIES {
                    set(name, NO_ONE.as_ref());
                }
                for name in TRUST {
                    set(name, NOWHERE.as_ref());
                }
            }
        }
        if let AllowedIdentities::Cluster(identities) = access.keys {
            set(KEY_VARIABLE, identities.expose_secret().as_ref());
        }
        set(ORDER, order(value(ORDER)).as_ref());
        variables
    }

    /// Whether a variable that belongs to no kind of key is passed on to a sops that does
    /// not use the person's own keys.
    fn is_passed_on(&self, name: &OsStr, access: Access<'_>) -> bool {
        let other = access.kinds.iter().any(|kind| *kind != KeyKind::Age);
        is_one_of(name, &ALWAYS)
            || begins(name, &[LOCALE])
            || other && is_one_of(name, &OF_OTHER_KINDS)
            || access.allows_a_server()
                && [&PROXIES[..], &TRUST, &NOT_BY_PROXY]
                    .iter()
                    .any(|names| is_one_of(name, names))
            || self.is_shim && (is_one_of(name, &OF_SHIMS) || begins(name, &OF_SHIM_PROGRAMS))
    }
}

/// Whether the program is not sops itself, but looks for it: a script, or a link to a
/// version manager (mise, asdf, aqua, snap).
pub(super) fn is_shim(program: &Path) -> bool {
    use std::io::Read;
    let Ok(real) = program.canonicalize() else {
        return false;
    };
    let name = real.file_name().unwrap_or_default().to_string_lossy();
    let mut start = [0; 2];
    let is_script = std::fs::File::open(&real)
        .and_then(|mut file| file.read_exact(&mut start))
        .is_ok_and(|()| start == *b"#!");
    is_script || !name.contains("sops")
}

/// The order in which sops tries keys: those on this machine, then the person's order.
fn order(persons: Option<&OsStr>) -> String {
    let persons = persons.unwrap_or_default().to_string_lossy();
    let mut order: Vec<&str> = LOCAL_FIRST.to_vec();
    for kind in persons.split(',').filter(|kind| !kind.is_empty()) {
        // sops refuses one that stands there twice.
        if !order.contains(&kind) {
            order.push(kind);
        }
    }
    order.join(",")
}

fn is_one_of(name: &OsStr, names: &[&str]) -> bool {
    names.iter().any(|known| name == *known)
}

fn begins(name: &OsStr, beginnings: &[&str]) -> bool {
    let name = name.as_encoded_bytes();
    beginnings.iter().any(|it| name.starts_with(it.as_bytes()))
}
