//! Remarks: what is reported and is not a problem.

use std::path::Path;

use crate::cli::report::one_line;
use crate::core::audit::{Audit, IGNORE_FILE, Plain, Plaintext};
use crate::core::sops_config::SopsConfig;

/// The fields of the configs that sops ignores.
pub(in crate::cli::k::secrets) fn unknown_fields(audit: &Audit) -> impl Iterator<Item = String> {
    let fields = audit.rules.configs().flat_map(SopsConfig::unknown_fields);
    fields.map(|(place, field)| format!("{place}: {field}"))
}

/// What is said of a Secret that no rule is for.
pub(in crate::cli::k::secrets) fn unruled(path: &Path, found: &Plaintext) -> String {
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
pub(in crate::cli::k::secrets) fn placeholders(audit: &Audit) -> Option<String> {
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
pub(in crate::cli::k::secrets) fn settings(audit: &Audit) -> Option<String> {
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

/// The files that a rule is for by their place alone, in one remark.
pub(in crate::cli::k::secrets) fn unnamed(audit: &Audit) -> Option<String> {
    let paths: Vec<String> = audit.unnamed().map(one_line).collect();
    let files = match paths.len() {
        0 => return None,
        1 => "1 file is not encrypted that a rule names by its place".to_owned(),
        count => format!("{count} files are not encrypted that a rule names by their place"),
    };
    Some(format!(
        "{files} alone, and in which nothing is called like a secret: {}",
        paths.join(", ")
    ))
}

/// What a commit changes in `.kbignore`, and which of its own files that leaves out.
pub(in crate::cli::k::secrets) fn ignore_change(audit: &Audit) -> Option<String> {
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
pub(in crate::cli::k::secrets) fn ignored(audit: &Audit) -> Option<String> {
    match audit.ignored.len() {
        0 => None,
        1 => Some(format!("1 file was left out by {IGNORE_FILE}")),
        count => Some(format!("{count} files were left out by {IGNORE_FILE}")),
    }
}
