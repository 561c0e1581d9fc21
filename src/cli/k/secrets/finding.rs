//! Problems that `check` and `status` find, as they are said: to people, and to
//! machines.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::failure::{Failure, Hint, Program, conflict_hints, to_utf8};
use crate::cli::options::quoted;
use crate::cli::readers::mismatch_words;
use crate::cli::report::{Report, one_line, without_private_keys};
use crate::core::audit::{Audit, Cause, IGNORE_FILE, Leak, Mismatch, Plain, PlainValue, Plaintext};
use crate::core::encrypted::{FileError, Format};
use crate::core::repository;
use crate::core::sops_config::{ConfigError, SopsConfig};

/// So many values of a file are named.
const SHOWN: usize = 20;

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

/// The fields of the configs that sops ignores.
pub(super) fn unknown_fields(audit: &Audit) -> impl Iterator<Item = String> {
    let fields = audit.rules.configs().flat_map(SopsConfig::unknown_fields);
    fields.map(|(place, field)| format!("{place}: {field}"))
}

/// A problem of a file; `sops` is how sops is called for the file.
pub(super) fn leak(path: &Path, leak: &Leak<'_>, sops: &str) -> Finding {
    let subject = one_line(path);
    match leak {
        Leak::PrivateKey { line } => Finding::new(
            "private-key",
            format!("{subject}:{line}"),
            "it contains an age private key",
        )
        .hint("remove it; the cluster's own key is in the cluster, and a copy belongs in a password manager")
        .hint_kb(
            "a key that was pushed once is known; to replace it:",
            "k secrets init --force",
        ),
        Leak::NotEncrypted { found, rule } => not_encrypted(path, found, rule, sops),
        Leak::PlainValues(values) => plain_values(path, values, sops),
        Leak::LooksEncrypted(values) => looks_encrypted(path, values),
        Leak::NothingEncrypted => Finding::new(
            "nothing-encrypted",
            subject,
            "it has sops metadata, and none of its values is encrypted",
        )
        .hint("see that encrypted_regex, or what its rule has instead, matches a key of it")
        .anew(path, sops),
        Leak::NotTexts(names) => {
            let words = format!(
                "the API server refuses it: {} must be text, not a number or true or false",
                names.join(", ")
            );
            Finding::new("value-not-text", subject, words)
                .hint_kb("to put it in quotes:", format!("k secrets edit {}", word(path)))
        }
        Leak::Mismatch(found) => mismatch(path, found, sops),
        Leak::LostRule(lost) => {
            let former = lost.former.as_ref();
            let former = former.map(|former| format!(" as {}", one_line(former)));
            Finding::new(
                "rule-lost",
                subject,
                format!(
                    "no rule is for it; in {}{} its rule was {}",
                    lost.revision,
                    former.unwrap_or_default(),
                    lost.rule
                ),
            )
            .hint("move it back, or add a rule for it to .sops.yaml: without one nothing says who may read it")
        }
        Leak::Damaged(error) => {
            if let FileError::Conflict { line, .. } = error {
                return conflict(path, *line, "");
            }
            if let FileError::PlainFirst { document, .. } = error {
                let words = format!("document {document} is encrypted, and the first is not: Flux decrypts each by itself, but sops and kb cannot open or re-encrypt the file");
                return Finding::new("plain-document-first", subject, words)
                    .hint("move what is not encrypted into a file of its own");
            }
            if let FileError::Encoding { encoding, format, .. } = error {
                let words = format!("it is in {}, which sops reads in YAML alone, not in {}", encoding.name(), format.name());
                return Finding::new("other-encoding", subject, words).hint(to_utf8(path, *encoding));
            }
            // Its words begin with the path.
            let words = match error {
                FileError::Damaged { reason, .. } => format!("damaged: {reason}"),
                error => error.to_string(),
            };
            Finding::new("damaged", subject, words).hint(format!(
                "to see how it was before: git log -p -- {}",
                word(path)
            ))
        }
    }
}

/// A file whose conflict is not resolved in the index.
pub(super) fn unmerged(path: &Path) -> Finding {
    let words = "a merge conflict that is not resolved: until then git commits nothing";
    let mut finding = Finding::new("merge-conflict", one_line(path), words);
    finding.hints = conflict_hints(path);
    finding.hint(format!("when it is resolved: git add -- {}", word(path)))
}

/// A file that holds what Git left of a merge.
fn conflict(path: &Path, line: u64, more: &str) -> Finding {
    let words = format!("a merge conflict: Git's conflict markers are still in it{more}");
    let mut finding = Finding::new(
        "merge-conflict",
        format!("{}:{line}", one_line(path)),
        words,
    );
    finding.hints = conflict_hints(path);
    finding
}

/// A file that differs from its rule, and both ways to settle it: the rule may have been
/// changed, or the file tampered with.
pub(super) fn mismatch(path: &Path, found: &Mismatch, sops: &str) -> Finding {
    let is_of_readers = found.is_of_readers();
    let kind = if is_of_readers {
        "other-recipients"
    } else {
        "other-selection"
    };
    let words = mismatch_words(found).join("; ");
    let finding = Finding::new(kind, one_line(path), words).hint(format!(
        "to see what changed, the file or the rule: git log -p -- {} .sops.yaml",
        word(path)
    ));
    if is_of_readers {
        finding
            .hint_kb(
                "if the rule is right, to re-encrypt the file for its readers:",
                "k secrets init --use-existing",
            )
            .hint("if the file is right, change the rule")
    } else {
        finding.anew(path, sops)
    }
}

fn not_encrypted(
    path: &Path,
    found: &Plaintext,
    rule: &Result<String, &ConfigError>,
    sops: &str,
) -> Finding {
    let (kind, what) = match &found.what {
        Plain::Secret(name) => {
            let name = name.as_ref();
            let name = name.map_or("a Secret".to_owned(), |name| format!("the Secret {name}"));
            let values = match found.plain.as_slice() {
                [] => String::new(),
                plain => format!(": {}", plain.join(", ")),
            };
            ("not-encrypted", format!("not encrypted: {name}{values}"))
        }
        Plain::Values => ("not-encrypted", "not encrypted".to_owned()),
        Plain::Conflict { line, is_secret } => {
            let what = if *is_secret { "a Secret" } else { "a file" };
            return conflict(path, *line, &format!(", {what} that is not encrypted"));
        }
        Plain::NotParsed {
            place: (line, column),
            is_secret,
        } => {
            let like = if *is_secret {
                " looks like a Secret,"
            } else {
                ""
            };
            let words = format!("not encrypted:{like} and does not parse at {line}:{column}");
            (
                "not-parsed",
                words.replace("encrypted: and", "encrypted, and it"),
            )
        }
    };
    let narrower = "if it holds no secret, give that rule a narrower path_regex";
    let rule = match rule {
        Ok(place) => format!("rule {place}"),
        Err(error) => {
            let words = format!("{what}; nobody can tell its rule: {error}");
            return Finding::new(kind, one_line(path), words)
                .hint("fix .sops.yaml first: then kb can tell whether a rule is for it");
        }
    };
    let mut finding = Finding::new(kind, one_line(path), format!("{what} ({rule})"));
    finding.is_fixable = found.is_plainly_meant;
    let is_manifest = matches!(found.what, Plain::Secret(_));
    if found.is_plainly_meant {
        return finding.hint_kb(
            "to encrypt it in place:",
            format!("k secrets check --fix {}", word(path)),
        );
    }
    if found.is_template {
        return finding.hint("put a placeholder in the place of each value: a template is filled in before it is encrypted");
    }
    if found.has_double_key {
        return finding
            .hint("it has the same key twice, which sops refuses: delete one, then encrypt it");
    }
    if matches!(found.what, Plain::NotParsed { .. }) {
        return finding
            .hint("fix it first: sops cannot encrypt it as it is")
            .hint(narrower);
    }
    if !found.plain.is_empty() {
        return finding.hint("put a placeholder in the place of each of these values, or write all values and encrypt it");
    }
    // sops would make any file of what is YAML or JSON.
    if is_manifest && !matches!(Format::of(path), Format::Yaml | Format::Json) {
        return finding
            .hint(format!("if it is a copy, delete it: rm {}", word(path)))
            .hint("else give it a name that ends in .yaml: by that sops encrypts single values");
    }
    finding
        .hint(format!(
            "to encrypt it: {sops} encrypt --in-place {}",
            word(path)
        ))
        .hint(narrower)
}

/// What is said of a Secret that no rule is for.
pub(super) fn unruled(path: &Path, found: &Plaintext) -> String {
    let path = one_line(path);
    match found.what {
        Plain::Conflict { line, .. } => format!(
            "{path}:{line} has a merge conflict, it looks like a Secret that is not encrypted, and no rule of .sops.yaml is for it"
        ),
        Plain::NotParsed {
            place: (line, column),
            ..
        } => format!(
            "{path} is not encrypted: it looks like a Secret and does not parse at {line}:{column}, and no rule of .sops.yaml is for it"
        ),
        _ => format!("{path} is not encrypted: a Secret, and no rule of .sops.yaml is for it"),
    }
}

/// The files that hold placeholders alone, in one remark.
pub(super) fn placeholders(audit: &Audit) -> Option<String> {
    let paths: Vec<String> = audit
        .placeholders()
        .map(|(path, options)| match options {
            [] => one_line(path),
            options => format!("{} (but {})", one_line(path), options.join(", ")),
        })
        .collect();
    let count = match paths.len() {
        0 => return None,
        1 => "1 file holds placeholders instead of values".to_owned(),
        count => format!("{count} files hold placeholders instead of values"),
    };
    Some(format!("{count}: {}", paths.join(", ")))
}

/// The Secrets without a rule of their own that hold nothing secret, in one remark.
pub(super) fn settings(audit: &Audit) -> Option<String> {
    let files = audit.settings();
    let paths: Vec<String> = files
        .map(|(path, names)| format!("{} ({})", one_line(path), names.join(", ")))
        .collect();
    let files = match paths.len() {
        0 => return None,
        1 => "1 file holds a Secret".to_owned(),
        count => format!("{count} files hold Secrets"),
    };
    Some(format!(
        "{files} whose values look like settings and not like secrets: {}",
        paths.join(", ")
    ))
}

/// What a commit changes in `.kbignore`, and which of its own files that leaves out.
pub(super) fn ignore_change(audit: &Audit) -> Option<String> {
    let change = audit.ignore_change.as_ref()?;
    let files: Vec<String> = change.files.iter().map(|path| one_line(path)).collect();
    Some(match files.as_slice() {
        [] => format!("this commit changes {IGNORE_FILE}"),
        files => format!(
            "this commit changes {IGNORE_FILE}, which leaves out files of the same commit: {}",
            files.join(", ")
        ),
    })
}

/// How many files were left out; `None` if none was.
pub(super) fn ignored(audit: &Audit) -> Option<String> {
    match audit.ignored.len() {
        0 => None,
        1 => Some(format!("1 file was left out by {IGNORE_FILE}")),
        count => Some(format!("{count} files were left out by {IGNORE_FILE}")),
    }
}

fn looks_encrypted(path: &Path, values: &[&PlainValue]) -> Finding {
    let names = |cause| {
        let names = values.iter().filter(|value| value.cause == cause);
        let names: Vec<&str> = names.map(|value| value.name.as_str()).collect();
        names.join(", ")
    };
    let (malformed, misplaced) = (names(Cause::Malformed), names(Cause::Misplaced));
    let mut words = Vec::new();
    if !malformed.is_empty() {
        words.push(format!(
            "{malformed} only looks encrypted: it is not what sops writes"
        ));
    }
    if !misplaced.is_empty() {
        words.push(format!(
            "{misplaced} is encrypted, and stands where sops decrypts nothing"
        ));
    }
    let file = word(path);
    Finding::new("value-looks-encrypted", one_line(path), words.join("; "))
        .hint(format!("to see how it came there: git log -p -- {file}"))
        .hint_kb(
            "to write the value again:",
            format!("k secrets edit {file}"),
        )
}

fn plain_values(path: &Path, values: &[&PlainValue], sops: &str) -> Finding {
    let names: Vec<&str> = values.iter().map(|value| value.name.as_str()).collect();
    let are = if names.len() == 1 { "is" } else { "are" };
    let shown = names[..names.len().min(SHOWN)].join(", ");
    let names = match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    };
    let words = format!("encrypted, but {names} {are} in plaintext");
    let finding = Finding::new("values-not-encrypted", one_line(path), words);
    let edit = format!("k secrets edit {}", word(path));
    let any = |cause| values.iter().any(|value| value.cause == cause);
    if any(Cause::Metadata) {
        finding.hint(format!(
            "delete it: only sops writes there; git log -p -- {} shows how it came there",
            word(path)
        ))
    } else if any(Cause::TypedIn) {
        finding.hint_kb(
            &format!("take {names} out of the file, and put it in again with"),
            edit,
        )
    } else if any(Cause::Comment) {
        finding.hint_kb("to delete the comment, or to save it encrypted:", edit)
    } else if any(Cause::LastApplied) {
        finding.hint_kb("to take the annotation out:", edit)
    } else {
        finding.hint(ENCRYPTED_REGEX).anew(path, sops)
    }
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
