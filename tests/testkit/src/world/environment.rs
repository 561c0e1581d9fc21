//! The environment of a closed world.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

/// All variables that a program of the world gets.
#[derive(Clone, Debug)]
pub(super) struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// The variables of a new world at `root`.
    pub(super) fn closed(root: &Path) -> Self {
        let mut this = Self(BTreeMap::new());
        this.set("HOME", root.join("home").as_os_str());
        this.set("TMPDIR", root.join("tmp").as_os_str());
        this.set("PATH", &path(&root.join("bin")));
        this.set("LANG", OsStr::new("C.UTF-8"));
        // Who commits; and no configuration but the repository's own, and no
        // repository above the world.
        for role in ["AUTHOR", "COMMITTER"] {
            this.set(&format!("GIT_{role}_NAME"), OsStr::new("Test"));
            this.set(&format!("GIT_{role}_EMAIL"), OsStr::new("test@kb.example"));
        }
        this.set("GIT_CONFIG_NOSYSTEM", OsStr::new("1"));
        this.set("GIT_CEILING_DIRECTORIES", root.as_os_str());
        this
    }

    pub(super) fn set(&mut self, key: &str, value: &OsStr) {
        self.0.insert(key.to_owned(), value.to_owned());
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.0.remove(key);
    }

    pub(super) fn apply(&self, command: &mut Command) {
        command.env_clear().envs(&self.0);
    }
}

/// The world's `bin`, then where Git and the shell are on this machine, then
/// where programs usually are; nothing else of the inherited `PATH`.
fn path(bin: &Path) -> OsString {
    let mut dirs = vec![bin.to_owned()];
    for program in ["git", "sh"] {
        dirs.push(folder_of(program).unwrap_or_else(|| panic!("the tests need {program} in PATH")));
    }
    dirs.extend([PathBuf::from("/usr/bin"), PathBuf::from("/bin")]);
    let mut once: Vec<PathBuf> = Vec::new();
    for dir in dirs {
        if !once.contains(&dir) {
            once.push(dir);
        }
    }
    env::join_paths(once).expect("these came out of a PATH")
}

fn folder_of(program: &str) -> Option<PathBuf> {
    let inherited = env::var_os("PATH")?;
    env::split_paths(&inherited).find(|dir| dir.is_absolute() && dir.join(program).is_file())
}
