//! Problems that `check` and `status` find, as they are said: to people, and to
//! machines.
//!
//! | module | has the words for |
//! | --- | --- |
//! | this one | a config; how sops is called in a hint |
//! | `file` | what is wrong with a file |
//! | `remarks` | remarks, which are not problems |

mod file;
mod remarks;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::failure::{Failure, Hint, Program};
use crate::cli::options::quoted;
use crate::cli::report::{Report, without_private_keys};
use crate::core::audit::Audit;
use crate::core::repository;
use crate::core::sops_config::ConfigError;

pub(super) use file::{leak, mismatch, unmerged};
pub(super) use remarks::{
    ignore_change, ignored, placeholders, settings, unknown_fields, unnamed, unruled,
};

/// A problem, as it is said.
#[derive(Debug)]
pub(super) struct Finding {
    /// What kind of problem it is, for machines: kebab-case, and never another.
    pub(super) kind: &'static str,
    /// What has it: a file, with the line where that is known, or `namespace/name`.
    pub(super) subject: String,
    /// What is wrong with it.
    pub(super) words: String,
    /// What to do.
    pub(super) hints: Vec<Hint>,
    /// Whether `check --fix` does it.
    pub(super) is_fixable: bool,
}

/// A problem on stdout, for machines.
#[derive(Serialize)]
pub(super) struct FindingAsJson {
    kind: &'static str,
    subject: String,
    message: String,
    hints: Vec<String>,
}

impl Finding {
    pub(super) fn new(
        kind: &'static str,
        subject: impl Into<String>,
        words: impl Into<String>,
    ) -> Self {
        // Text that comes from outside must not begin a line that looks like kb's own.
        let in_one_line = |text: String| text.trim_end().replace(['\n', '\r'], " ");
        Self {
            kind,
            subject: in_one_line(subject.into()),
            words: in_one_line(words.into()),
            hints: Vec::new(),
            is_fixable: false,
        }
    }

    /// What an error says of itself, and the hints that it has everywhere.
    pub(super) fn of_failure(kind: &'static str, failure: Failure) -> Self {
        Self {
            hints: failure.hints().to_vec(),
            ..Self::new(kind, "", failure.message().unwrap_or_default())
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(Hint::Text(hint.into()));
        self
    }

    pub(super) fn hints_of(mut self, hints: impl IntoIterator<Item = Hint>) -> Self {
        self.hints.extend(hints);
        self
    }

    /// A command of kb's that goes to the same cluster.
    pub(super) fn hint_kb(self, purpose: &str, arguments: impl Into<String>) -> Self {
        self.hint_command(purpose, Program::Kb, arguments)
    }

    pub(super) fn hint_command(
        mut self,
        purpose: &str,
        program: Program,
        arguments: impl Into<String>,
    ) -> Self {
        self.hints.push(Hint::command(purpose, program, arguments));
        self
    }

    pub(super) fn as_json(&self, report: &Report) -> FindingAsJson {
        FindingAsJson {
            kind: self.kind,
            subject: without_private_keys(&self.subject),
            message: without_private_keys(&self.words),
            hints: self
                .hints
                .iter()
                .map(|hint| without_private_keys(&report.in_words(hint)))
                .collect(),
        }
    }
}

/// A file's name in a command.
pub(super) fn word(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// How sops is called in a hint.
pub(super) struct SopsCommand {
    /// The config that it finds by itself, from the working directory.
    near: Option<PathBuf>,
}

impl SopsCommand {
    pub(super) fn new(context: &Context) -> Self {
        let named = context.environment.named_config();
        let near = repository::find_config(&context.directory, named.as_deref());
        Self {
            near: near.and_then(|near| near.path.canonicalize().ok()),
        }
    }

    /// What is to be known where sops, run from here, takes other rules than kb.
    pub(super) fn remarks(&self, audit: &Audit) -> Vec<String> {
        let others = audit.rules.configs().map(|config| &config.path);
        let others = others.filter(|path| path.canonicalize().ok() != self.near);
        others
            .map(|path| {
                let near = match &self.near {
                    Some(near) => format!("takes {} for them", near.display()),
                    None => "finds no .sops.yaml".to_owned(),
                };
                format!(
                    "the rules of {} are for the files below it; sops, run from here without --config, {near}",
                    path.display()
                )
            })
            .collect()
    }

    /// For a file: with its own config, where sops would take another one.
    pub(super) fn for_file(&self, path: &Path, audit: &Audit) -> String {
        let config = audit
            .rules
            .of(path)
            .matching()
            .map(|rule| &rule.config.path);
        let other = config.filter(|config| config.canonicalize().ok() != self.near);
        match other {
            None => "sops".to_owned(),
            Some(config) => format!("sops --config {}", word(config)),
        }
    }
}

/// The configs that cannot be read: nobody can tell what they are about.
pub(super) fn broken_configs(audit: &Audit) -> impl Iterator<Item = Finding> {
    audit.rules.broken_configs().map(config_broken)
}

/// What is wrong in the others: rules that sops cannot use, and names that it does not
/// read.
pub(super) fn of_configs(audit: &Audit) -> impl Iterator<Item = Finding> {
    let rules = &audit.rules;
    let broken = rules.broken_rules().map(config_broken);
    let misnamed = rules.misnamed().iter().map(|path| {
        let error = ConfigError::Misnamed { path: path.clone() };
        Finding::of_failure("config-misnamed", (&error).into())
    });
    broken.chain(misnamed)
}

fn config_broken(error: &ConfigError) -> Finding {
    Finding::of_failure("config-broken", error.into())
}

/// What the rule of a Secret needs.
pub(super) const ENCRYPTED_REGEX: &str =
    "first see that its rule has encrypted_regex: ^(data|stringData)$";

impl Finding {
    /// How a manifest is encrypted anew by its rule, without a plaintext on a disk. Where
    /// it cannot be decrypted, nothing is written: sops takes no empty YAML or JSON.
    pub(super) fn anew(self, path: &Path, sops: &str) -> Self {
        let path = word(path);
        self.hint_kb(
            "to encrypt it anew by its rule:",
            format!(
                "k secrets decrypt --ignore-mac {path} | {sops} encrypt --filename-override {path} --output {path} /dev/stdin"
            ),
        )
    }
}
