//! The environment variables that git gets from kb. The environment can contain keys and
//! tokens, and git needs none: it contacts no server.

use std::ffi::{OsStr, OsString};

type Variables = Vec<(OsString, OsString)>;

/// What git needs to run, and to find the person's configuration.
const NEEDED: [&str; 12] = [
    "DEVELOPER_DIR",
    "HOME",
    "LANG",
    "LANGUAGE",
    "LD_LIBRARY_PATH",
    "LOGNAME",
    "PATH",
    "PWD",
    // By it git recognizes the owner of a repository under sudo.
    "SUDO_UID",
    "TMPDIR",
    "TZ",
    "USER",
];

/// The same, by how the names begin: also what version managers (mise, asdf) need to find
/// the real git.
const NEEDED_BEGINNINGS: [&str; 5] = ["ASDF_", "DYLD_", "LC_", "MISE_", "XDG_"];

/// The beginning of git's own variables. In a hook, they name the repository.
const OWN: &str = "GIT_";
/// Of these, the beginning of those that configure git and do not name a repository.
const CONFIGURATION: &str = "GIT_CONFIG";

/// The variables for a git that is given the repository's directory.
pub(super) fn without_place(environment: Variables) -> Variables {
    let mut variables = with_place(environment);
    variables.retain(|(name, _)| !begins(name, OWN) || begins(name, CONFIGURATION));
    variables
}

/// The variables for a git that finds the repository by itself, or by `GIT_DIR`.
pub(super) fn with_place(mut environment: Variables) -> Variables {
    environment.retain(|(name, _)| {
        NEEDED.iter().any(|needed| name == needed)
            || NEEDED_BEGINNINGS.iter().any(|needed| begins(name, needed)) && !is_secret(name)
            || begins(name, OWN)
    });
    environment
}

/// Whether a variable is called after a secret, as MISE_GITHUB_TOKEN is.
fn is_secret(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_uppercase();
    let called = ["TOKEN", "SECRET", "PASSWORD", "CREDENTIAL", "KEY"];
    called.iter().any(|called| name.contains(called))
}

fn begins(name: &OsStr, beginning: &str) -> bool {
    name.as_encoded_bytes().starts_with(beginning.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_gets_no_key_and_no_token() {
        let names = [
            "PATH",
            "HOME",
            "LC_ALL",
            "GIT_DIR",
            "GIT_CONFIG_COUNT",
            "SOPS_AGE_KEY",
            "SOPS_AGE_KEY_CMD",
            "VAULT_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "GITHUB_TOKEN",
            "MISE_GITHUB_TOKEN",
            "KUBECONFIG",
        ];
        let variables = || names.map(|name| (name.into(), "x".into())).to_vec();
        let names = |variables: Variables| {
            let names = variables.into_iter().map(|(name, _)| name);
            names.collect::<Vec<OsString>>()
        };
        let all = ["PATH", "HOME", "LC_ALL", "GIT_DIR", "GIT_CONFIG_COUNT"];
        assert_eq!(names(with_place(variables())), all);
        let without = ["PATH", "HOME", "LC_ALL", "GIT_CONFIG_COUNT"];
        assert_eq!(names(without_place(variables())), without);
    }
}
