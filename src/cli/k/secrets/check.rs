//! `kb k secrets check`

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::finding::{self, Finding, FindingAsJson, SopsCommand};
use crate::cli::context::Context;
use crate::cli::examples;
use crate::cli::failure::Failure;
use crate::cli::message::Hint;
use crate::cli::message::command::kb;
use crate::cli::message::safe_text::{one_line, without_private_keys};
use crate::cli::options::OutputFormat;
use crate::cli::readers::{not_accepted, parse_reader};
use crate::cli::servers::require_accepted;
use crate::core::audit::{self, Audit, AuditError, AuditOptions, Depth, Leak};
use crate::core::fix::{Fixed, fix};
use crate::core::git::Git;
use crate::core::readers::Reader;
use crate::core::repository;
use crate::core::reviewed::{Reviewed, Unreviewed};
use crate::core::rules::MatchedRule;

/// Goes up when a field is taken away or changes its meaning.
const VERSION: u32 = 1;

/// Look for plaintext and wrong readers that must not get into Git; needs no cluster
///
/// A file that a rule of .sops.yaml is for must be encrypted; a manifest only if it
/// is a Secret with values, whatever the file is called. An encrypted file must be for the readers that its rule
/// names, and encrypt the values that its rule selects. No value of a Secret may be
/// in plaintext in an encrypted file, and no file may contain an age private key. Without a
/// PATH, all files of the repository are looked at that Git does not ignore. What
/// .kbignore names may be plaintext, but no private key, and for no wrong reader.
#[derive(Args, Debug)]
#[command(after_help = examples::CHECK)]
pub struct Check {
    /// Files, and directories to look through
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Look at what would be committed: the index, .sops.yaml in it too
    #[arg(long, conflicts_with = "paths")]
    staged: bool,

    /// Encrypt in place what should have been; the index is left to you
    #[arg(long)]
    fix: bool,

    /// Accept this reader, not on the remote's default branch yet; may be repeated
    #[arg(long, value_name = "READER", value_parser = parse_reader, requires = "fix")]
    accept_reader: Vec<Reader>,

    /// Leave out this file or directory; may be repeated
    #[arg(long, value_name = "PATH")]
    skip: Vec<PathBuf>,

    /// Do not read .kbignore
    #[arg(long)]
    no_ignore: bool,

    /// Print what was found on stdout, for machines
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<OutputFormat>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct CheckAsJson {
    version: u32,
    ok: bool,
    /// How many files were looked at.
    files: usize,
    /// How many of them .kbignore leaves out.
    ignored: usize,
    problems: Vec<FindingAsJson>,
    /// What is worth knowing, and no problem.
    remarks: Vec<String>,
    /// Secrets that are not encrypted, and that no rule is for.
    unruled: Vec<String>,
    /// What could not be read.
    unread: Vec<String>,
}

impl Check {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        if self.output.is_some() {
            context.stdout.check_open("what was found")?;
        }
        let mut audit = self.audit(context)?;
        if self.fix && self.fix_all(context, &audit)? && !self.staged {
            audit = self.audit(context)?;
        }
        self.remark(context, &audit);
        let is_all_seen = audit.rules.are_known() && audit.unread.is_empty();
        for error in audit.rules.broken_configs() {
            context.report.failure(&error.into());
        }
        let sops = SopsCommand::new(context);
        let leaks = audit.files.iter().flat_map(|file| {
            let sops = sops.for_file(&file.path, &audit);
            let problems = file.problems(&audit).into_iter();
            problems.map(move |leak| finding::leak(&file.path, &leak, &sops))
        });
        let unmerged = audit.unmerged.iter().map(|path| finding::unmerged(path));
        let found = finding::of_configs(&audit).chain(unmerged).chain(leaks);
        let found: Vec<Finding> = found.collect();
        if self.output.is_some() {
            let path = |path: &Path| without_private_keys(&path.display().to_string());
            let json = CheckAsJson {
                version: VERSION,
                ok: found.is_empty() && is_all_seen,
                files: audit.paths.len(),
                ignored: audit.ignored.len(),
                problems: finding::broken_configs(&audit)
                    .map(|finding| finding.as_json(&context.report))
                    .chain(found.iter().map(|finding| finding.as_json(&context.report)))
                    .collect(),
                remarks: remarks(&audit)
                    .map(|text| without_private_keys(&text))
                    .collect(),
                unruled: audit
                    .unruled_secrets()
                    .map(|(unruled, _)| path(unruled))
                    .collect(),
                unread: audit
                    .unread
                    .iter()
                    .map(|(unread, _)| path(unread))
                    .collect(),
            };
            context.stdout.write_json("what was found", &json)?;
        }
        if !found.is_empty() {
            let failure = self.failure(&found);
            return Err(match finding::ignored(&audit) {
                Some(ignored) => failure.hint(format!("{ignored}; --no-ignore counts them too")),
                None => failure,
            });
        }
        if !is_all_seen {
            let failure = Failure::new("not all files could be looked at");
            return Err(failure.hint("--skip PATH leaves out what need not be looked at"));
        }
        let nothing = "no plaintext, no private key, no wrong reader";
        let ignored = finding::ignored(&audit).map(|ignored| format!(" {ignored}."));
        let ignored = ignored.unwrap_or_default();
        context.report.say(&match audit.paths.len() {
            0 => "There is nothing to look at.".to_owned(),
            1 => format!("1 file was looked at: {nothing}.{ignored}"),
            count => format!("{count} files were looked at: {nothing}.{ignored}"),
        });
        Ok(())
    }

    fn audit(&self, context: &Context) -> Result<Audit, Failure> {
        let directory = &context.directory;
        let named = context.found_config();
        let skip = |root: &Path| context.skipped(&self.skip, &[root.to_owned()]);
        let look = |skip| AuditOptions {
            depth: Depth::Leaks,
            skip,
            named: named.as_ref(),
            ignores: !self.no_ignore,
        };
        if self.staged {
            let git = Git::around(directory.clone(), context.environment.variables())?;
            let skip = skip(git.root())?;
            return Ok(audit::index(&git, look(&skip))?);
        }
        let (root, git) = context.repository();
        let paths = self.paths.iter().map(|path| {
            let path = repository::absolute(directory, path);
            // Elsewhere it is what a link leads to, with the rules there.
            let real = || path.canonicalize().unwrap_or_else(|_| path.clone());
            repository::below(std::slice::from_ref(&root), &path).unwrap_or_else(real)
        });
        let paths: Vec<PathBuf> = paths.collect();
        let skip = skip(&root)?;
        Ok(audit::working_tree(
            look(&skip),
            &root,
            git.as_ref(),
            &paths,
        )?)
    }

    fn remark(&self, context: &Context, audit: &Audit) {
        if audit.rules.configs().next().is_none()
            && audit.rules.are_known()
            && audit.rules.misnamed().is_empty()
            && !audit.paths.is_empty()
        {
            let text = "there is no .sops.yaml, so no rule says what is to be encrypted";
            context.report.warning(text, None);
        }
        for text in remarks(audit) {
            context.report.warning(&text, None);
        }
        for (path, found) in audit.unruled_secrets() {
            context.report.warning(&finding::unruled(path, found), None);
        }
        for (path, error) in &audit.unread {
            let text = format!("{} cannot be read: {error}", one_line(path));
            context.report.warning(&text, None);
        }
    }

    /// Encrypts what should have been. Whether anything was.
    fn fix_all(&self, context: &Context, audit: &Audit) -> Result<bool, Failure> {
        let sops = context.find_sops()?;
        let mut servers = context.accepted_servers()?;
        let mut refused = Vec::new();
        let mut any = false;
        let is_meant = |leak: &Leak<'_>| match leak {
            Leak::NotEncrypted { found, .. } => found.is_plainly_meant,
            _ => false,
        };
        let plain = audit.files.iter();
        let plain = plain.filter(|file| file.leaks(audit).iter().any(is_meant));
        let ruled = plain.filter_map(|file| Some((file, audit.rules.of(&file.path).usable()?)));
        let ruled: Vec<_> = ruled.collect();
        let files = ruled
            .iter()
            .map(|(file, rule)| (file.path.as_path(), *rule));
        let unreviewed = self.unreviewed(context, files)?;
        for (file, rule) in ruled {
            let place = (&rule.config.path, rule.rule.position);
            if refused.contains(&place) {
                continue;
            }
            if let Some(error) = unreviewed.iter().find(|error| error.path == file.path) {
                context.report.failure(&error.clone().into());
                continue;
            }
            let named_by = format!("the rule for {}", one_line(&file.path));
            let readers = &rule.rule.readers;
            if let Err(failure) = require_accepted(context, &mut servers, &named_by, readers) {
                context.report.failure(&failure);
                refused.push(place);
                continue;
            }
            match fix(&sops, &file.path, rule) {
                Ok(Fixed::Encrypted) => {
                    any = true;
                    let path = one_line(&file.path);
                    let by = self.config_words(context, &rule.config.path);
                    context.report.say(&format!("Encrypted: {path}{by}"));
                }
                Ok(Fixed::NotMeant) => {}
                Err(error) => drop(context.report.failure(&error.into())),
            }
        }
        Ok(any)
    }

    /// Why some of these files stay in plaintext: nobody has accepted a reader that their
    /// rules name and that was not reviewed.
    fn unreviewed<'f>(
        &self,
        context: &Context,
        files: impl Iterator<Item = (&'f Path, MatchedRule<'f>)>,
    ) -> Result<Vec<Unreviewed>, Failure> {
        let (_, here) = context.repository();
        let reviewed_here = here.as_ref().map(reviewed_of).transpose()?.flatten();
        let named = context.found_config();
        let mut found = Vec::new();
        for (path, rule) in files {
            let Some(git) = context.git_of(path) else {
                continue;
            };
            let is_here = here.as_ref().is_some_and(|here| here.root() == git.root());
            let elsewhere = if is_here { None } else { reviewed_of(&git)? };
            let reviewed = elsewhere
                .as_ref()
                .or(reviewed_here.as_ref().filter(|_| is_here));
            if let Some(reviewed) = reviewed {
                let at = reviewed.readers_of(path, named.as_ref());
                let at = at.map_err(AuditError::from)?;
                let newcomers = at.newcomers(&rule.rule.readers, &[]);
                found.push((at, newcomers));
            }
        }
        let asked: Vec<_> = found
            .iter()
            .map(|(at, newcomers)| (at, &newcomers[..]))
            .collect();
        let refused = not_accepted(context, &self.accept_reader, &asked);
        let errors = found.into_iter().filter_map(|(at, mut newcomers)| {
            newcomers.retain(|reader| refused.contains(reader));
            at.check_none(newcomers).err()
        });
        Ok(errors.collect())
    }

    /// Names the config, if it is not the one at the top of the repository.
    fn config_words(&self, context: &Context, config: &Path) -> String {
        let (root, _) = context.repository();
        match config.parent() == Some(&root) {
            true => String::new(),
            false => format!(", by {}", one_line(config)),
        }
    }

    fn failure(&self, found: &[Finding]) -> Failure {
        let lines = found.iter().map(|finding| match finding.subject.as_str() {
            "" => format!("\n  {}", finding.words),
            subject => format!("\n  {subject}: {}", finding.words),
        });
        let heading = heading(found);
        let message = format!("{heading}:{}", lines.collect::<String>());
        let failure = Failure::found(Some(message)).hints_of(self.hints(found));
        match self.staged {
            true => failure
                .hint("the index has the old content until you stage the fixed file: git add FILE"),
            false => failure,
        }
    }

    /// What to do about all of it: for each kind of problem what it is for the first one.
    fn hints(&self, found: &[Finding]) -> Vec<Hint> {
        let fixable = found.iter().filter(|finding| finding.is_fixable).count();
        let mut fix = kb("k secrets check --fix");
        if self.staged {
            fix = fix.word("--staged");
        }
        for path in &self.paths {
            fix = fix.path(path);
        }
        for path in &self.skip {
            fix = fix.word("--skip").path(path);
        }
        let several = (fixable > 1).then(|| {
            let purpose = format!("to encrypt {fixable} of them in place:");
            Hint::command(&purpose, fix)
        });
        let mut kinds = Vec::new();
        let rest = found.iter().filter(|finding| {
            let kind = (finding.kind, finding.is_fixable);
            let is_said = kinds.contains(&kind) || (finding.is_fixable && fixable > 1);
            if !is_said {
                kinds.push(kind);
            }
            !is_said
        });
        let rest = rest.flat_map(|finding| finding.hints.clone());
        several.into_iter().chain(rest).collect()
    }
}

fn reviewed_of(git: &Git) -> Result<Option<Reviewed<'_>>, AuditError> {
    Ok(Reviewed::load(git)?)
}

/// What was found, in a few words: only plaintext and private keys are to stay out of Git;
/// of the rest, what is wrong with it may be in Git already.
fn heading(found: &[Finding]) -> &'static str {
    let all = |kinds: &[&str]| found.iter().all(|finding| kinds.contains(&finding.kind));
    let plain = [
        "private-key",
        "not-encrypted",
        "not-parsed",
        "merge-conflict",
        "nothing-encrypted",
        "value-looks-encrypted",
        "values-not-encrypted",
    ];
    if all(&plain) {
        "this must not be committed"
    } else if all(&["other-recipients"]) {
        "the readers of these files differ from their rules"
    } else if all(&["rule-lost"]) {
        "these files have no rule any more"
    } else if all(&["damaged"]) {
        "kb cannot read these files"
    } else if all(&["other-selection"]) {
        "these files are not encrypted as their rules say"
    } else {
        "problems were found"
    }
}

/// What is worth knowing, and no problem.
fn remarks(audit: &Audit) -> impl Iterator<Item = String> {
    finding::unknown_fields(audit)
        .chain(finding::placeholders(audit))
        .chain(finding::settings(audit))
        .chain(finding::unnamed(audit))
        .chain(finding::ignore_change(audit))
}

#[cfg(test)]
mod docs {
    #[test]
    fn the_schema_is_up_to_date() {
        crate::cli::schemas::assert_up_to_date::<super::CheckAsJson>("check");
    }
}
