//! What is wrong with a file, as it is said.

use std::path::Path;

use super::{ENCRYPTED_REGEX, Finding, word};
use crate::cli::failure::{conflict_hints, to_utf8};
use crate::cli::message::command::kb;
use crate::cli::message::hints::{rotate, use_existing};
use crate::cli::message::safe_text::one_line;
use crate::cli::readers::mismatch_words;
use crate::core::audit::{Cause, Leak, Mismatch, Plain, PlainValue, Plaintext};
use crate::core::conflict;
use crate::core::encrypted::{FileError, Format};
use crate::core::sops_config::ConfigError;

/// So many values of a file are named.
const SHOWN: usize = 20;

/// A problem of a file; `sops` is how sops is called for the file.
pub(in crate::cli::k::secrets) fn leak(path: &Path, leak: &Leak<'_>, sops: &str) -> Finding {
    let subject = one_line(path);
    match leak {
        Leak::PrivateKey { line } => Finding::new(
            "private-key",
            format!("{subject}:{line}"),
            "it contains an age private key",
        )
        .hint("remove it; the cluster's own key is in the cluster, and a copy belongs in a password manager")
        .hint_command("a key that was pushed once is known; to replace it:", rotate()),
        Leak::NotEncrypted { found, rule } => not_encrypted(path, found, rule, sops),
        Leak::PlainValues(values) => plain_values(path, values, sops),
        Leak::LooksEncrypted(values) => looks_encrypted(path, values),
        Leak::NothingEncrypted => Finding::new(
            "nothing-encrypted",
            subject,
            "it has sops metadata, but no value in it is encrypted",
        )
        .hint("see that encrypted_regex, or what its rule has instead, matches a key of it")
        .anew(path, sops),
        Leak::NotTexts(names) => {
            let words = format!(
                "the API server refuses it: {} must be text, not a number or true or false",
                names.join(", ")
            );
            Finding::new("value-not-text", subject, words)
                .hint_command("to put it in quotes:", kb("k secrets edit").path(path))
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
        Leak::Damaged(error) => damaged(path, error),
    }
}

/// A file that only seems to be encrypted, or that cannot be read as one.
fn damaged(path: &Path, error: &FileError) -> Finding {
    let subject = one_line(path);
    // The words of an error begin with the path, which is the subject here.
    let words = match error {
        FileError::Conflict { line, .. } => return with_conflict(path, *line, ""),
        FileError::PlainFirst { document, .. } => {
            let words = format!(
                "document {document} is encrypted, and the first is not: Flux decrypts each by itself, but sops and kb cannot open or re-encrypt the file"
            );
            return Finding::new("plain-document-first", subject, words)
                .hint("move what is not encrypted into a file of its own");
        }
        FileError::Encoding {
            encoding, format, ..
        } => {
            let words = format!(
                "it is in {}, which sops reads in YAML alone, not in {}",
                encoding.name(),
                format.name()
            );
            return Finding::new("other-encoding", subject, words).hint(to_utf8(path, *encoding));
        }
        FileError::Damaged { reason, .. } => format!("damaged: {reason}"),
        error => error.to_string(),
    };
    Finding::new("damaged", subject, words).hint(format!(
        "to see how it was before: git log -p -- {}",
        word(path)
    ))
}

/// A file whose conflict is not resolved in the index.
pub(in crate::cli::k::secrets) fn unmerged(path: &Path) -> Finding {
    let words = "a merge conflict that is not resolved: until then git commits nothing";
    let mut finding = Finding::new("merge-conflict", one_line(path), words);
    finding.hints = conflict_hints(path);
    finding.hint(format!("when it is resolved: git add -- {}", word(path)))
}

/// A file that holds what Git left of a merge.
fn with_conflict(path: &Path, line: u64, more: &str) -> Finding {
    let subject = format!("{}:{line}", one_line(path));
    let words = format!("{}{more}", conflict::FOUND);
    let mut finding = Finding::new("merge-conflict", subject, words);
    finding.hints = conflict_hints(path);
    finding
}

/// A file that differs from its rule, and both ways to settle it: the rule may have been
/// changed, or the file tampered with.
pub(in crate::cli::k::secrets) fn mismatch(path: &Path, found: &Mismatch, sops: &str) -> Finding {
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
            .hint_command(
                "if the rule is right, to re-encrypt the file for its readers:",
                use_existing(),
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
            return with_conflict(path, *line, &format!(", {what} that is not encrypted"));
        }
        Plain::NotParsed {
            place: (line, column),
            is_secret,
        } => {
            let like = if *is_secret {
                ": looks like a Secret, and"
            } else {
                ", and it"
            };
            let words = format!("not encrypted{like} does not parse at {line}:{column}");
            ("not-parsed", words)
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
        return finding.hint_command(
            "to encrypt it in place:",
            kb("k secrets check --fix").path(path),
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
            "{misplaced} is encrypted, but sops decrypts nothing there"
        ));
    }
    let file = word(path);
    Finding::new("value-looks-encrypted", one_line(path), words.join("; "))
        .hint(format!("to see how it came there: git log -p -- {file}"))
        .hint_command("to write the value again:", kb("k secrets edit").path(path))
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
    let edit = kb("k secrets edit").path(path);
    let any = |cause| values.iter().any(|value| value.cause == cause);
    if any(Cause::Metadata) {
        finding.hint(format!(
            "delete it: only sops writes there; git log -p -- {} shows how it came there",
            word(path)
        ))
    } else if any(Cause::TypedIn) {
        finding.hint_command(
            format!("remove {names} from the file, and add it again with"),
            edit,
        )
    } else if any(Cause::Comment) {
        finding.hint_command("to delete the comment, or to save it encrypted:", edit)
    } else if any(Cause::LastApplied) {
        finding.hint_command("to remove the annotation:", edit)
    } else {
        finding.hint(ENCRYPTED_REGEX).anew(path, sops)
    }
}
