//! What a rotation is about to do, and what it did, in words.

use std::path::{Path, PathBuf};

use crate::cli::context::Context;
use crate::cli::message::Hint;
use crate::cli::message::command::kb;
use crate::cli::message::hints::use_existing;
use crate::cli::message::safe_text::one_line;

use crate::cli::origin::Sources;
use crate::cli::readers::change_lines;
use crate::core::cluster::Cluster;
use crate::core::flux_secret::SecretCopy;
use crate::core::reencrypt::{EngineKind, Replaced};
use crate::core::rotate::{Done, RotationPlan};

/// So many files are named, unless `--verbose`.
const SHOWN: usize = 10;

pub(super) fn plan(
    context: &Context,
    cluster: &Cluster,
    sources: &Sources,
    plan: &RotationPlan,
    dry_run: bool,
) {
    let target = cluster.target();
    // The first is the one that was named.
    let copies: Vec<String> = plan.secrets().skip(1).map(ToString::to_string).collect();
    let copies = match copies.as_slice() {
        [] => String::new(),
        copies => format!("\n  copies      {}", copies.join(", ")),
    };
    let old: Vec<&str> = plan.old().iter().map(|key| key.as_str()).collect();
    let configs: Vec<String> = plan
        .targets
        .configs
        .iter()
        .map(|edit| edit.before.path.display().to_string())
        .collect();
    let new = match (plan.is_resumed(), plan.is_imported(), dry_run) {
        (true, ..) => format!(
            "{}, from the rotation that is under way",
            plan.new_recipient()
        ),
        (_, true, _) => format!("{}, imported", plan.new_recipient()),
        (.., true) => "one that is made then".to_owned(),
        (.., false) => plan.new_recipient().to_string(),
    };
    let what = match plan.is_resumed() {
        true => "Going on with the rotation of",
        false => "Rotating",
    };
    context.report.say(&format!(
        "{what} the key of the cluster of context \"{}\" ({}):\n\
         {}{copies}\n  \
         old key     {}\n  \
         new key     {new}\n  \
         to change   {}\n  \
         files       {}",
        target.context,
        target.server(),
        sources.lines(),
        if old.is_empty() {
            "none".to_owned()
        } else {
            old.join(", ")
        },
        if configs.is_empty() {
            "nothing in the config".to_owned()
        } else {
            configs.join(", ")
        },
        plan.targets.files.len(),
    ));
    let lines: Vec<String> = plan
        .targets
        .files
        .iter()
        .map(|file| format!("    {}", one_line(&file.path)))
        .collect();
    let (shown, more) = lines.split_at(lines.len().min(SHOWN));
    if !shown.is_empty() {
        context.report.say(&shown.join("\n"));
    }
    if !more.is_empty() {
        context.report.detail(&more.join("\n"));
        context
            .report
            .say(&format!("    and {} more (-v names them)", more.len()));
    }
    for line in change_lines(&plan.targets.files) {
        context.report.say(&format!("  {line}"));
    }
    remarks(context, plan);
}

fn remarks(context: &Context, plan: &RotationPlan) {
    let report = &context.report;
    let remarks = &plan.remarks;
    context.warn_of_bad_lines(&remarks.bad_lines);
    if plan.targets.files.is_empty() && !plan.is_resumed() {
        report.warning("no file of this repository is for the old key", None);
    }
    for path in &remarks.foreign {
        let text = format!(
            "{} has its own .git, and files for the old key: they stay as they are",
            path.display()
        );
        let hint = Hint::command("run there:", use_existing());
        report.warning(&text, Some(&hint));
    }
    let unread = &plan.targets.unread;
    if !unread.is_empty() {
        let text = format!(
            "this cannot be read, so what in it is for the old key stays so:{}",
            paths(unread)
        );
        report.warning(&text, None);
    }
    for path in &remarks.similar {
        let text = format!(
            "{} holds a Secret of this name, encrypted for others: if it is for this cluster, it puts the old key back",
            path.display()
        );
        report.warning(&text, None);
    }
    if remarks.copies_unseen {
        report.warning(
            "kb may not list Kustomizations, and so cannot tell whether one decrypts with a copy of the key",
            None,
        );
    }
    for copy in &remarks.copies_left {
        report.warning(&format!("{} keeps the old key alone", used(copy)), None);
    }
}

/// A copy, and who uses it.
fn used(copy: &SecretCopy) -> String {
    format!(
        "the Secret {}, for the Kustomization {},",
        copy.secret,
        copy.used_by.join(", ")
    )
}

fn paths(paths: &[PathBuf]) -> String {
    let lines = paths.iter().map(|path| format!("\n  {}", one_line(path)));
    lines.collect()
}

/// `changes` are those of the readers.
pub(super) fn done(context: &Context, done: &Done, changes: &[String]) {
    let config = match done.replaced.configs {
        0 => "",
        _ => ", and .sops.yaml names it",
    };
    let joined = match done.joined {
        true => format!(
            "\nThe rotation had been begun before, and this is its key: {}",
            done.recipient
        ),
        false => String::new(),
    };
    let shown = match done.imported {
        true => "",
        false => "\nThe private key was shown this once: keep it in your password manager.",
    };
    let report = &context.report;
    report.say(&format!(
        "Done: {} re-encrypted for the new key{}{config}.{joined}{}{shown}\n\
         Commit and push. The old key stays in the cluster, so that Flux opens what is\n\
         deployed now; when the push is applied: {}\n\
         What was pushed before stays readable in the Git history with the old key: if that\n\
         has leaked, change the passwords themselves too.",
        number_of_files(done.replaced.files),
        by_whom(&done.replaced),
        listed(changes),
        report.command(&kb("k secrets prune"))
    ));
}

/// Each in a line of its own, indented.
pub(in super::super) fn listed(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  {line}")).collect()
}

/// So many files.
pub(in super::super) fn number_of_files(count: usize) -> String {
    match count {
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    }
}

/// Which files were left to sops, and why.
pub(super) fn left_to_sops<'p>(
    context: &Context,
    made_by: impl Iterator<Item = (&'p Path, EngineKind)>,
) {
    for (path, by) in made_by {
        if let EngineKind::Sops(Some(why)) = by {
            let text = format!("left to sops: {}: {why}", one_line(path));
            context.report.detail(&text);
        }
    }
}

/// How many files sops has re-encrypted, and how many kb itself.
pub(in super::super) fn by_whom(replaced: &Replaced) -> String {
    match (replaced.files - replaced.by_sops, replaced.by_sops) {
        (_, 0) => String::new(),
        (0, _) => " by sops".to_owned(),
        (by_kb, by_sops) => format!(" ({by_kb} by kb itself, {by_sops} by sops)"),
    }
}
