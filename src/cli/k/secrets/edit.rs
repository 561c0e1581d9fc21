//! `kb k secrets edit`

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;
use rustix::event::{PollFd, PollFlags, Timespec};

use super::drafts::{self, words as draft_words};
use crate::cli::context::Context;
use crate::cli::examples;
use crate::cli::failure::Failure;
use crate::cli::message::Hint;
use crate::cli::message::command::kb;
use crate::cli::readers::{not_accepted, parse_reader};
use crate::cli::servers::require_accepted;
use crate::core::disk;
use crate::core::edit::{
    self, Adopted, EditError, EditedFile, KeptDraft, Options, Round, Saved, Session, Surroundings,
    Unsaved,
};
use crate::core::editor::Editor;
use crate::core::readers::Reader;
use crate::core::repository;
use crate::core::sops_config::{self, ConfigError};

/// How often kb looks, while it waits for Enter, whether it is to stop.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

const KEEP_NOTHING: &str =
    "vim, neovim, nano, emacs and micro are started so that they keep nothing";

const NEEDS_VIM: &str =
    "The draft was not deleted: it has changes that only vim can recover (EDITOR=vim, --resume).";

/// Create or edit an encrypted file
///
/// Opens the plaintext in $SOPS_EDITOR, $EDITOR or $VISUAL. It is in memory only,
/// and kb deletes it when it ends. Text that could not be saved is kept as a draft,
/// encrypted for the keys of the file's rule: see `kb k secrets drafts`. The key comes
/// from the cluster, which is asked once, before the editor opens; values that do not change
/// keep their ciphertext. A new file is encrypted for the public keys of its rule in
/// .sops.yaml, and needs no cluster.
#[derive(Args, Debug)]
#[command(after_help = examples::EDIT)]
pub struct Edit {
    /// The encrypted file, or a new one
    #[arg(value_name = "PATH")]
    path: PathBuf,

    /// Open it even if the MAC does not match; saving it writes a new one
    #[arg(long, conflicts_with = "discard")]
    ignore_mac: bool,

    /// Edit a file whose readers are not those of its rule, and leave them as they are
    #[arg(long, conflicts_with = "discard")]
    keep_readers: bool,

    /// Accept this reader, not on the remote's default branch yet; may be repeated
    #[arg(long, value_name = "READER", value_parser = parse_reader, conflicts_with = "discard")]
    accept_reader: Vec<Reader>,

    /// Go on with the draft of this file, a text that could not be saved
    #[arg(long, conflicts_with = "discard")]
    resume: bool,

    /// Throw away the newest draft of this file
    #[arg(long)]
    discard: bool,

    /// Put the plaintext on a disk, if there is no memory for it
    #[arg(long)]
    allow_disk: bool,
}

impl Edit {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let file = context.file(&self.path)?;
        let places = context.environment.places();
        let drafts = context.environment.drafts();
        // What is adopted is locked by this run itself.
        let open_elsewhere = edit::is_open_elsewhere(&file, &places);
        let adopted = drafts::adopt(context);
        let editors: Vec<u32> = editors_of(&file, &adopted);
        if self.discard {
            return discard(context, &file, adopted);
        }
        let resumed = if self.resume {
            Some(newest(context, &file, adopted)?)
        } else {
            edit::check_nothing_waits(&file, adopted, &drafts)?;
            None
        };
        let editor = Editor::find(context.environment.variables(), &context.directory);
        let editor = editor.map_err(EditError::from)?;

        let named = context.found_config();
        if let Some(path) = repository::misnamed_for(&file).filter(|_| named.is_none()) {
            return Err(ConfigError::Misnamed { path }.into());
        }
        let mut sops = context.find_sops()?;
        sops.require_version()?;
        let kept = resumed.as_ref().map(Unsaved::kept);
        let still_kept = |error: EditError| still_kept(error, kept.as_ref());
        let git = context.git_of(&file);
        let around = Surroundings {
            named: named.as_ref(),
            git: git.as_ref(),
        };
        let target = EditedFile::look(&file, &around).map_err(still_kept)?;
        let created = target.is_new();
        // sops looks for its config from the working directory, for `stores` too.
        let near = repository::find_config(&context.directory, context.named_config().as_deref());
        let near = near.map(|near| near.path);
        if let Some(config) = target.config() {
            sops_config::check_form(config)?;
            sops = sops.with_config(config.to_owned());
            if created && near.as_deref() != Some(config) {
                let text = format!("The rules are those of {}.", config.display());
                context.report.say(&text);
            }
        } else if let Some(near) = &near {
            sops_config::check_form(near)?;
        }
        let mut servers = context.accepted_servers()?;
        if let Some((readers, rule)) = target.readers_of_new_data_key() {
            require_accepted(context, &mut servers, &rule.to_string(), &readers)?;
        }
        let secret = context.common.secret();
        let needs_cluster = target.needs_cluster(resumed.as_ref());
        let cluster = needs_cluster.then(|| context.connect());
        let cluster = cluster.transpose()?;
        let cluster = cluster.as_ref().map(|cluster| (cluster, &secret));
        let options = Options {
            places: &places,
            allow_disk: self.allow_disk,
            ignore_mac: self.ignore_mac,
            keep_readers: self.keep_readers,
            servers: &servers,
            accept: &|reviewed, newcomers| {
                not_accepted(context, &self.accept_reader, &[(reviewed, &newcomers)])
            },
            drafts: &drafts,
            resume: self.resume_command(context, &file),
            keeps_refused: std::io::stdin().is_terminal() || editor.is_known(),
            resumed,
        };
        let session = Session::open(target, cluster, &sops, options);
        let mut session = session.map_err(still_kept)?;
        warn(context, &session, &editor, &file, open_elsewhere);
        for pid in editors {
            context.report.warning(
                &format!(
                    "the editor of a killed kb still has {} open (pid {pid}): text that you save there is not written to the file",
                    file.display()
                ),
                None,
            );
        }
        let needs_vim = session.needs_vim() && !editor.recovers_swap_of_vim();
        loop {
            if editor.has_window() {
                let name = editor.name();
                context
                    .report
                    .say(&format!("Waiting until {name} closes the file."));
            }
            match session.round(&editor)? {
                // Where the text itself says why, or nobody is there to read it, nothing is
                // said: it would still be there when the text is saved.
                Round::Again(reason, again) => {
                    session = *again;
                    if !reason.is_in_text && is_attended(context) {
                        let name = file.display();
                        let words = format!("{name} was not saved: {}", reason.words);
                        context.report.warning(&words, None);
                        session = wait_for_enter(context, session)?;
                    }
                }
                Round::Unchanged { .. } | Round::Emptied if has_unread_input() => {
                    return Err(EditError::NotRead { path: file }.into());
                }
                Round::Unchanged {
                    mac_matches: false, ..
                } => return Err(EditError::MacNotFixed { path: file }.into()),
                round => {
                    say(context, &file, created, &round);
                    if let Round::Unchanged { at_once: true, .. } = round {
                        warn_of_waiting(context, &editor);
                    }
                    if needs_vim && matches!(round, Round::Saved(_) | Round::Unchanged { .. }) {
                        context.report.say(NEEDS_VIM);
                    }
                    return Ok(());
                }
            }
        }
    }

    /// The command that goes on with a text that could not be saved.
    fn resume_command(&self, context: &Context, file: &Path) -> String {
        let mut command = kb("k secrets edit").path(file).word("--resume");
        for (given, option) in [
            (self.ignore_mac, "--ignore-mac"),
            (self.keep_readers, "--keep-readers"),
            (self.allow_disk, "--allow-disk"),
        ] {
            if given {
                command = command.word(option);
            }
        }
        for reader in &self.accept_reader {
            command = command.option("--accept-reader", reader.to_string());
        }
        context.report.command(&command)
    }
}

/// An error before a text that was kept could be opened again: it still is.
fn still_kept(error: EditError, kept: Option<&KeptDraft>) -> EditError {
    match kept {
        None => error,
        Some(kept) => EditError::Kept {
            kept: Box::new(kept.clone()),
            source: Box::new(error),
        },
    }
}

/// Editors that have the file open although their kb was killed.
fn editors_of(file: &Path, adopted: &Adopted) -> Vec<u32> {
    let target = edit::identity(file);
    let open = adopted.open.iter();
    let of_file = open.filter(|(head, _)| head.target == target);
    of_file.map(|(_, pid)| *pid).collect()
}

/// An editor that hands the file to a window and ends would have its text deleted.
fn warn_of_waiting(context: &Context, editor: &Editor) {
    if context.report.reaches_a_person() {
        let name = editor.name();
        let text = format!(
            "{name} ended at once: if its window is still open, text that you save there is not written to the file"
        );
        let hint = format!(
            "use an option with which it waits until the file is closed, such as: export EDITOR='{name} --wait'"
        );
        context.report.warning(&text, Some(&Hint::Text(hint)));
    }
}

/// Whether someone reads what kb says, and can answer.
fn is_attended(context: &Context) -> bool {
    context.report.reaches_a_person() && std::io::stdin().is_terminal()
}

/// Whether a text was piped in, or a file, and waits to be read.
fn has_unread_input() -> bool {
    let stdin = std::io::stdin();
    !stdin.is_terminal() && rustix::io::ioctl_fionread(&stdin).is_ok_and(|bytes| bytes > 0)
}

/// Gives the person time to read why the text comes back, before the editor covers
/// it. Ctrl-C gives up.
fn wait_for_enter<'a>(
    context: &Context,
    mut session: Session<'a>,
) -> Result<Session<'a>, EditError> {
    let stdin = std::io::stdin();
    let question = "Press Enter to open it again, or Ctrl-C to give up: ";
    context.report.ask(question);
    loop {
        if session.is_interrupted() {
            // The cursor stands behind the question.
            context.report.say("");
            return Err(session.give_up());
        }
        if session.asked_to_stop() {
            return Ok(session);
        }
        let mut pressed = [PollFd::new(&stdin, PollFlags::IN)];
        if rustix::event::poll(&mut pressed, Some(&PATIENCE)).is_ok_and(|ready| ready > 0) {
            let _ = stdin.read_line(&mut String::new());
            return Ok(session);
        }
    }
}

/// The newest text that was kept.
fn newest(context: &Context, file: &Path, adopted: Adopted) -> Result<Unsaved, EditError> {
    let drafts = context.environment.drafts();
    let (newest, more) = edit::unsaved(file, adopted, &drafts)?;
    if more > 0 {
        let age = draft_words::ago(newest.kept().head.since);
        context.report.say(&format!(
            "There are {} drafts for {}. This command uses the newest ({age}); run it again for the next one.",
            more + 1,
            file.display()
        ));
    }
    Ok(newest)
}

fn discard(context: &Context, file: &Path, adopted: Adopted) -> Result<(), Failure> {
    newest(context, file, adopted)?.discard()?;
    let text = format!("The draft for {} was thrown away.", file.display());
    context.report.say(&text);
    Ok(())
}

/// What the person should know before the editor covers the screen.
fn warn(
    context: &Context,
    session: &Session<'_>,
    editor: &Editor,
    file: &Path,
    open_elsewhere: bool,
) {
    let report = &context.report;
    let text = |hint: &str| Some(Hint::Text(hint.to_owned()));
    context.warn_of_bad_lines(session.bad_lines());
    for warning in session.warnings() {
        report.warning(&format!("sops says: {warning}"), None);
    }
    for reader in session.foreign() {
        let text = format!(
            "{} is encrypted for {reader} too, which its rule does not name; saving takes it out",
            file.display()
        );
        report.warning(&text, None);
    }
    if !session.is_in_memory() {
        report.warning("the plaintext is on a disk while you edit", None);
    } else if let Some(swap) = disk::plain_swap() {
        report.warning(
            &format!(
                "the swap space {} is not encrypted: what is in memory may come to lie there",
                swap.display()
            ),
            text("swapoff -a while you edit, or encrypt it").as_ref(),
        );
    }
    if let Some(leaves) = editor.leaves() {
        report.warning(
            &format!("{} {leaves}", editor.name()),
            text(KEEP_NOTHING).as_ref(),
        );
    }
    if !editor.is_known() && report.reaches_a_person() {
        report.warning(
            &format!(
                "kb does not know the editor {}, and cannot keep it from leaving copies",
                editor.name()
            ),
            text(KEEP_NOTHING).as_ref(),
        );
    }
    if open_elsewhere {
        report.warning(
            &format!("another kb edits {} now", file.display()),
            text("the second save is rejected, and its text is kept").as_ref(),
        );
    }
    if session.needs_vim() && !editor.recovers_swap_of_vim() {
        report.warning(
            &format!(
                "the draft has changes that were not saved in vim, and {} cannot recover them",
                editor.name()
            ),
            text("to recover them, close this editor without saving, and resume with: export EDITOR=vim").as_ref(),
        );
    }
    if session.is_behind() {
        report.warning(
            &format!(
                "{} was changed or removed since this text was opened: saving it replaces their version",
                file.display()
            ),
            None,
        );
    }
}

fn say(context: &Context, file: &Path, created: bool, round: &Round<'_>) {
    let name = file.display();
    let text = match round {
        Round::Saved(saved) => {
            let done = if saved.created { "Created" } else { "Saved" };
            format!("{done} {name}, encrypted for {}.", readers(saved))
        }
        Round::Unchanged { .. } if created => {
            format!("Nothing was typed: {name} was not made.")
        }
        Round::Unchanged { .. } => format!("Nothing was changed in {name}."),
        Round::KeptAsBefore => format!(
            "Nothing was saved: {name} is as it was, and the text is kept as before. To put it there, save it in the editor, changed if it writes nothing else."
        ),
        Round::Emptied => format!("The text was emptied: {name} is as it was."),
        Round::Again(..) => return,
    };
    context.report.say(&text);
}

fn readers(saved: &Saved) -> String {
    let mut readers: Vec<&str> = saved.recipients.iter().map(|key| key.as_str()).collect();
    if saved.other_keys {
        readers.push("keys that are not age's");
    }
    readers.join(", ")
}
