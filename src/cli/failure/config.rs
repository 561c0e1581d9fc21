//! Hints for what goes wrong with `.sops.yaml`.

use std::io::ErrorKind;

use super::Failure;
use crate::cli::message::command::quoted;
use crate::core::replace::{Obstacle, ReplaceError};
use crate::core::sops_config::{
    ConfigEditError, ConfigError, FILE_NAME, FaultKind, PlacementError, RuleSummary,
};

/// What sops says of the file.
const MANUAL: &str =
    "https://getsops.io/docs/#using-sopsyaml-conf-to-select-kms-pgp-and-age-for-new-files";

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::from(&error)
    }
}

impl From<&ConfigError> for Failure {
    fn from(error: &ConfigError) -> Self {
        let failure = Self::from_error(error);
        match error {
            ConfigError::Read { .. } => failure.hint("ls -l shows who may read it"),
            ConfigError::Misnamed { path } => {
                let right = path.with_file_name(FILE_NAME);
                failure.hint(format!(
                    "git mv {} {}",
                    quoted(&path.to_string_lossy()),
                    quoted(&right.to_string_lossy())
                ))
            }
            ConfigError::Parse { .. } => failure.hint(format!("the file's form: {MANUAL}")),
            ConfigError::Conflict { place } => failure.hint(format!(
                "finish the merge: git status shows the files that it waits for; git checkout --ours -- {} takes one side, --theirs the other",
                quoted(place.rsplitn(3, ':').last().unwrap_or(place))
            )),
            ConfigError::Fault { kind, .. } => match kind {
                FaultKind::PathRegex { .. } => failure.hint(
                    "sops matches with Go's regular expressions: https://golang.org/s/re2syntax",
                ),
                FaultKind::Recipient { .. } => failure
                    .hint("age-keygen -y prints the recipient of a private key")
                    .hint("a key that is still to be filled in is written <key>"),
                FaultKind::Key { .. } => failure
                    .hint(format!("how keys are written: {MANUAL}"))
                    .hint("a key that is still to be filled in is written <key>"),
                FaultKind::Selections(_) => failure.hint("keep one of them"),
                FaultKind::Beyond(_) | FaultKind::Type { .. } => {
                    failure.hint(format!("the file's form: {MANUAL}"))
                }
            },
            ConfigError::UnknownField { field, .. } => match field.nearest {
                Some(nearest) => failure.hint(format!("write {nearest} instead of {}", field.name)),
                None => failure,
            },
        }
    }
}

impl From<ConfigEditError> for Failure {
    fn from(error: ConfigEditError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            ConfigEditError::Encoding { path } => {
                let path = quoted(&path.to_string_lossy());
                failure.hint(format!(
                    "save it as UTF-8: iconv -f UTF-16 -t UTF-8 {path} > {path}.utf8 && mv {path}.utf8 {path}"
                ))
            }
            ConfigEditError::Form {
                rule: Some(rule), ..
            } => failure.hint(format!(
                "put this rule in by hand, and run it again: {rule}"
            )),
            ConfigEditError::Form { .. } | ConfigEditError::Unintended { .. } => failure.hint(
                "edit that place by hand (init fills in a placeholder, age: <key>), and run it again",
            ),
        }
    }
}

impl From<PlacementError> for Failure {
    fn from(error: PlacementError) -> Self {
        let failure = Self::from_error(&error);
        let rebuilt = "--replace age1… puts the new key in the place of that one, if this cluster was rebuilt";
        match error {
            PlacementError::NotEvident { rules, .. } => failure
                .detail(&rule_list(&rules))
                .hint("--path-regex RE names the rule, or makes a new one")
                .hint(rebuilt),
            PlacementError::NoSuchRule { rules, paths, .. } if paths.is_empty() => failure
                .detail(&rule_list(&rules))
                .hint("kb makes no rule for every path: write one at the end, - age: <key>, and run it again"),
            PlacementError::NoSuchRule { rules, .. } => failure
                .detail(&rule_list(&rules))
                .hint("--path-regex with the very text of a rule names it; '' is the one for every path")
                .hint("without --add, a rule for these files is made"),
            PlacementError::Taken { rule, .. } => failure
                .detail(&rule_list(&[rule]))
                .hint("--add puts the key beside them: each of the keys opens the files of this rule")
                .hint("--path-regex with another expression makes a rule for other files")
                .hint(rebuilt),
            PlacementError::NotThere { known, .. } if known.is_empty() => failure
                .hint("no recipient in it can be a cluster's: --path-regex RE names a rule, or makes one"),
            PlacementError::NotThere { known, .. } => {
                let lines = known.iter().map(|key| format!("\n  {key}"));
                failure
                    .detail(&format!("; it names{}", lines.collect::<String>()))
                    .hint("--replace takes one of these")
            }
            PlacementError::NeverApplies { earlier, .. } if earlier.is_empty() => failure
                .detail(": no path matches it")
                .hint("sops matches the path from where the config is, such as clusters/prod/db-secret.yaml; of files elsewhere the whole path"),
            PlacementError::NeverApplies { earlier, .. } => failure
                .detail(": sops takes the first rule that matches, and every path goes to")
                .detail(&rule_list(&earlier))
                .hint("narrow the path_regex of those rules, or put this rule above them by hand"),
        }
    }
}

/// The rules, each in a line.
pub(super) fn rule_list(rules: &[RuleSummary]) -> String {
    let line = |rule: &RuleSummary| format!("\n  {rule}: {}", rule.key_list());
    rules.iter().map(line).collect()
}

impl From<ReplaceError> for Failure {
    fn from(error: ReplaceError) -> Self {
        Self::from_error(&error).hint(replace_hint(&error))
    }
}

/// What to do about a file that was not replaced.
pub(super) fn replace_hint(error: &ReplaceError) -> String {
    match error {
        ReplaceError::Io { path, source } => {
            let directory = path.parent().unwrap_or(path).to_string_lossy();
            let directory = quoted(&directory);
            match source.kind() {
                ErrorKind::NotFound => format!("mkdir -p {directory}"),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                    format!("df {directory} shows what is left on the disk")
                }
                _ => format!("ls -ld {directory} shows who may write there"),
            }
        }
        ReplaceError::Changed { .. } => "look at it, and run it again".to_owned(),
        ReplaceError::Displaced { path, kept } => format!(
            "look at both: diff {} {}",
            quoted(&path.to_string_lossy()),
            quoted(&kept.to_string_lossy())
        ),
        ReplaceError::Unreadable { path, .. } => format!(
            "to see whose it is: ls -l {}",
            quoted(&path.to_string_lossy())
        ),
        ReplaceError::InTheWay { path, obstacle } => {
            let path = quoted(&path.to_string_lossy());
            match obstacle {
                Obstacle::Immutable => format!("sudo chattr -i {path}"),
                Obstacle::AppendOnly => format!("lsattr {path} shows which; sudo chattr -a"),
                Obstacle::Mount => format!("findmnt -T {path} shows what is mounted there"),
                Obstacle::Sticky => format!("ls -l {path} shows whose it is"),
            }
        }
        ReplaceError::Locked { .. } => "wait until it has ended".to_owned(),
    }
}
