//! Readers of files: the options that decide about them, and how they are shown.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use clap::Args;

use super::context::Context;
use super::failure::Failure;
use super::rule_picker::can_ask;
use crate::cli::message::command::quoted;
use crate::cli::message::safe_text::one_line;
use crate::core::audit::Mismatch;
use crate::core::readers::{Reader, Sameness};
use crate::core::reencrypt::{AffectedFile, Consent};
use crate::core::reviewed::{ReviewedReaders, Unreviewed};

/// So many files are named of each reader.
const SHOWN: usize = 3;

/// What decides about readers where rules alone do not.
#[derive(Args, Debug)]
pub struct ReaderOptions {
    /// Let this reader lose files: a cluster's or recovery key that their rules do not name, or any reader of files without a rule (can be repeated)
    #[arg(long, value_name = "READER", value_parser = parse_reader, requires = "moves", help_heading = "Readers")]
    drop_reader: Vec<Reader>,

    /// Let this reader keep files that no rule is for (can be repeated)
    #[arg(long, value_name = "READER", value_parser = parse_reader, requires = "moves", help_heading = "Readers")]
    keep_reader: Vec<Reader>,

    /// Accept this reader, which only the working tree's .sops.yaml names, not the remote's default branch (can be repeated)
    #[arg(long, value_name = "READER", value_parser = parse_reader, requires = "moves", help_heading = "Readers")]
    accept_reader: Vec<Reader>,
}

impl ReaderOptions {
    /// What was decided by options. `asks`: whether the plan is shown to someone who is
    /// asked.
    ///
    /// # Errors
    /// When the list of accepted key servers cannot be read.
    pub fn consent(&self, context: &Context, asks: bool) -> Result<Consent, Failure> {
        Ok(Consent {
            drop: self.drop_reader.clone(),
            keep: self.keep_reader.clone(),
            accept: self.accept_reader.clone(),
            asks,
            servers: context.accepted_servers()?,
        })
    }
}

/// A key as people write it in `.sops.yaml`.
pub fn parse_reader(text: &str) -> Result<Reader, String> {
    Reader::parse(text).ok_or_else(|| {
        "it is not an age recipient, an ssh or PGP key, or the address of a key on a server"
            .to_owned()
    })
}

/// What changes for readers, a line for each.
pub fn change_lines<'f>(files: impl IntoIterator<Item = &'f AffectedFile>) -> Vec<String> {
    let files: Vec<&AffectedFile> = files.into_iter().collect();
    let lists = |pick: fn(&AffectedFile) -> &[Reader]| {
        by_reader(files.iter().map(|file| (file.path.as_path(), pick(file))))
    };
    let mut lines = Vec::new();
    for (reader, paths) in lists(|file| &file.decision.leaving) {
        lines.push(format!("{reader} loses access to {}", names(&paths)));
    }
    for (reader, paths) in lists(|file| &file.decision.joining) {
        lines.push(format!("{reader} gains access to {}", names(&paths)));
    }
    for (reader, paths) in lists(|file| &file.decision.unreviewed) {
        lines.push(format!(
            "{reader} is not on the remote's default branch yet: only the working tree's rule names it, for {}",
            names(&paths)
        ));
    }
    for file in files {
        if let Some(rule) = &file.decision.other_rule {
            lines.push(format!(
                "{}: its rule {rule} does not name this cluster's key",
                one_line(&file.path)
            ));
        }
    }
    lines
}

/// The files of each reader.
fn by_reader<'f>(
    files: impl IntoIterator<Item = (&'f Path, &'f [Reader])>,
) -> BTreeMap<&'f Reader, Vec<&'f Path>> {
    let mut by_reader: BTreeMap<&Reader, Vec<&Path>> = BTreeMap::new();
    for (path, readers) in files {
        for reader in readers {
            by_reader.entry(reader).or_default().push(path);
        }
    }
    by_reader
}

/// Those of the newcomers of these files that are not accepted, neither by `--accept-reader`
/// nor by an answer. On a terminal kb asks about each of them once.
pub fn not_accepted(
    context: &Context,
    accepted: &[Reader],
    files: &[(&ReviewedReaders, &[Reader])],
) -> Vec<Reader> {
    let Some((reviewed, _)) = files.first() else {
        return Vec::new();
    };
    let fetched = last_fetch(reviewed.fetched);
    let newcomers = by_reader(files.iter().map(|(at, found)| (at.path.as_path(), *found)));
    let is_accepted = |reader: &Reader, paths: &[&Path]| {
        let mut named = accepted.iter();
        named.any(|other| other.sameness(reader) == Sameness::Same)
            || can_ask(&context.report)
                && {
                    let question = format!(
                        "On {} (last fetch: {fetched}), {} cannot read {} yet: only the working tree allows it. Encrypt for it?",
                        reviewed.branch,
                        // It may be a pull request's: its line ends must not look like kb's words.
                        reader.to_string().escape_debug(),
                        names(paths)
                    );
                    let report = &context.report;
                    report.confirm(&report.safe_and_short(&question))
                }
    };
    let refused = newcomers.into_iter();
    let refused = refused.filter(|(reader, paths)| !is_accepted(reader, paths));
    refused.map(|(reader, _)| reader.clone()).collect()
}

impl From<Unreviewed> for Failure {
    fn from(error: Unreviewed) -> Self {
        Self::from_error(&error)
            .detail(&format!(" (last fetch: {})", last_fetch(error.fetched)))
            .hint(format!(
                "to see how the rules were changed: git diff {} -- '*.sops.yaml'",
                quoted(&error.branch)
            ))
            .hint(format!(
                "if it may read the file, with the same options:{}; on a terminal kb asks",
                accept_options(&error.readers)
            ))
    }
}

/// The options that accept these readers, each behind a space.
pub fn accept_options(readers: &[Reader]) -> String {
    let option = |reader: &Reader| format!(" --accept-reader {}", quoted(&reader.to_string()));
    readers.iter().map(option).collect()
}

/// When something was last fetched: to the minute, in UTC.
pub fn last_fetch(time: Option<SystemTime>) -> String {
    let time = time.and_then(|time| jiff::Timestamp::try_from(time).ok());
    let text = time.map(|time| time.to_string());
    let minutes = text.as_ref().and_then(|text| text.get(..16));
    minutes.map_or("date unknown".to_owned(), |text| {
        format!("{} UTC", text.replace('T', " "))
    })
}

fn names(paths: &[&Path]) -> String {
    let shown: Vec<String> = paths
        .iter()
        .take(SHOWN)
        .map(|path| one_line(path))
        .collect();
    let shown = shown.join(", ");
    match paths.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// How a file differs from its rule.
pub fn mismatch_words(found: &Mismatch) -> Vec<String> {
    let (rule, readers) = (&found.rule, &found.readers);
    let mut words = Vec::new();
    if !readers.extra.is_empty() {
        let extra = Reader::list(&readers.extra);
        words.push(format!(
            "it is encrypted for {extra}, which its rule {rule} does not name"
        ));
    }
    if !readers.missing.is_empty() {
        let missing = Reader::list(&readers.missing);
        words.push(format!(
            "it is not encrypted for {missing}, which its rule {rule} names"
        ));
    }
    if readers.groups {
        words.push(format!("its key groups are not those of its rule {rule}"));
    }
    if !readers.unclear.is_empty() {
        let unclear = Reader::list(&readers.unclear);
        words.push(format!(
            "kb cannot tell whether its rule {rule} names {unclear}"
        ));
    }
    if found.is_uncertain {
        words.push(
            "kb cannot tell for certain which keys sops would use: it holds characters or marks that other readers of its format take otherwise"
                .to_owned(),
        );
    }
    if let Some(selection) = &found.selection {
        words.push(format!(
            "it encrypts by \"{}\", and its rule {rule} by \"{}\"",
            selection.file, selection.rule
        ));
    }
    words
}
