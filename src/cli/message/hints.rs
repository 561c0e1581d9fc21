//! Hints that several messages share.

use super::Hint;
use super::command::{Command, kb, kubectl};
use crate::core::cluster::SecretName;

/// What to do where the wrong cluster may be meant.
pub const OTHER_CLUSTER: &str = "--context chooses another cluster, if this is the wrong one";

/// What to do where the Secret, or the cluster, may be the wrong one.
pub const OTHER_SECRET: &str =
    "--context chooses another cluster, -n and --secret-name another Secret";

/// An expression for an example: it matches files by their names, so that no
/// `kustomization.yaml` in a directory called `secrets` is encrypted.
pub const EXAMPLE_PATH_REGEX: &str = r"^clusters/prod/(.*/)?[^/]*secret[^/]*\.ya?ml$";

/// Gives a cluster its first key.
pub fn init() -> Command {
    kb("k secrets init")
}

/// Replaces the key.
pub fn rotate() -> Command {
    kb("k secrets init --force")
}

/// Makes files and rules match the key that the cluster has.
pub fn use_existing() -> Command {
    kb("k secrets init --use-existing")
}

/// Puts a key into the cluster.
pub fn import() -> Command {
    kb("k secrets init --import")
}

/// Shows the Secret without its values.
pub fn describe(secret: &SecretName) -> Command {
    kubectl(format!(
        "-n {} describe secret {}",
        secret.namespace, secret.name
    ))
}

/// Shows who has written the Secret.
pub fn managed_fields(secret: &SecretName) -> Command {
    kubectl(format!(
        "-n {} get secret {} --show-managed-fields -o jsonpath='{{.metadata.managedFields}}'",
        secret.namespace, secret.name
    ))
}

/// Adds a rule, where no rule is for a file.
pub fn add_rule() -> Hint {
    Hint::command(
        "to add a rule for the cluster's files, such as:",
        use_existing().option("--path-regex", EXAMPLE_PATH_REGEX),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::sops_config::GoRegex;

    #[test]
    fn shared_commands_are_ones_that_kb_takes() {
        for command in [init(), rotate(), use_existing(), import()] {
            command.assert_parses();
        }
        let Hint::Command { command, .. } = add_rule() else {
            panic!("a hint without a command");
        };
        command.assert_parses();
    }

    #[test]
    fn the_example_rule_leaves_kustomizations_readable() {
        let regex = GoRegex::new(EXAMPLE_PATH_REGEX).expect("an expression");
        for (path, matches) in [
            ("clusters/prod/db-secret.yaml", true),
            ("clusters/prod/db/secret.yml", true),
            ("clusters/prod/secrets/kustomization.yaml", false),
            ("clusters/stage/secret.yaml", false),
        ] {
            assert_eq!(regex.matches(path), matches, "{path}");
        }
    }
}
