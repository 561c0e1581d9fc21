//! `kb k secrets drafts`

mod json;
pub(in crate::cli) mod words;

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::context::Context;
use crate::cli::examples;
use crate::cli::failure::Failure;
use crate::cli::message::command::kb;
use crate::cli::options::OutputFormat;
use crate::core::drafts::Draft;
use crate::core::edit::{self, Adopted, EditError, KeptDraft, KeptPlace, Unsaved};
use crate::core::repository;

/// List texts of `edit` that could not be saved, or throw them away
///
/// Each is kept encrypted in $XDG_STATE_HOME/kb/drafts (or ~/.local/state/kb/drafts), for
/// the public keys of the rule of its file. Needs no cluster.
#[derive(Args, Debug)]
#[command(after_help = examples::DRAFTS)]
pub struct Drafts {
    /// Only those for this file; may be several
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Throw away those for each PATH
    #[arg(long, conflicts_with = "output")]
    discard: bool,

    /// With --discard: throw away all drafts
    #[arg(long, requires = "discard", conflicts_with = "paths")]
    all: bool,

    /// Print them for machines
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<OutputFormat>,
}

/// All texts that are not saved.
pub(in crate::cli) struct Found {
    /// The drafts, and texts in memory; the newest first.
    unsaved: Vec<Unsaved>,
    /// Drafts that another run goes on with.
    in_use: Vec<KeptDraft>,
    /// Files that are not drafts of this kb.
    unreadable: Vec<PathBuf>,
    /// Files whose editor outlived its kb.
    open: Vec<(PathBuf, u32)>,
}

impl Found {
    /// Looks for them; `adopted` is what killed runs have left in memory.
    fn look(context: &Context, adopted: Adopted) -> Self {
        let drafts = context.environment.drafts();
        let (all, unreadable) = drafts.all();
        let mut found = Self {
            unsaved: adopted.plain,
            in_use: Vec::new(),
            unreadable,
            open: Vec::new(),
        };
        for draft in all {
            let kept = kept(&draft);
            match draft.lock() {
                Some(locked) => found.unsaved.push(Unsaved::Draft(locked)),
                None => found.in_use.push(kept),
            }
        }
        let open = adopted.open.into_iter();
        found.open = open.map(|(head, pid)| (head.target, pid)).collect();
        let since = |unsaved: &Unsaved| std::cmp::Reverse(unsaved.kept().head.since);
        found.unsaved.sort_by_key(since);
        found
    }

    /// Those for files below a directory, after what killed runs have left in memory was
    /// made drafts.
    pub(super) fn below(context: &Context, directory: &Path) -> Self {
        let mut found = Self::look(context, adopt(context));
        let directory = edit::identity(directory);
        found.retain(|target| target.starts_with(&directory));
        found
    }

    /// Leaves those for files that fit.
    fn retain(&mut self, fits: impl Fn(&Path) -> bool) {
        self.unsaved.retain(|it| fits(&it.kept().head.target));
        self.in_use.retain(|it| fits(&it.head.target));
        self.open.retain(|(file, _)| fits(file));
    }

    fn all(&self) -> Vec<KeptDraft> {
        let unsaved = self.unsaved.iter().map(Unsaved::kept);
        unsaved.chain(self.in_use.iter().cloned()).collect()
    }

    fn is_empty(&self) -> bool {
        self.unsaved.is_empty() && self.in_use.is_empty() && self.open.is_empty()
    }
}

fn kept(draft: &Draft) -> KeptDraft {
    KeptDraft {
        head: draft.head.clone(),
        place: KeptPlace::Draft(draft.path.clone()),
    }
}

impl Drafts {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        if self.discard {
            return self.discard(context);
        }
        context.stdout.check_open("the drafts")?;
        let places = context.environment.places();
        let adopted = edit::adopt(&places, &context.environment.drafts());
        let mut found = Found::look(context, adopted);
        let targets = self.targets(context);
        if !targets.is_empty() {
            found.retain(|target| targets.iter().any(|it| it == target));
            found.unreadable.clear();
        }
        if let Some(OutputFormat::Json) = self.output {
            let json = json::drafts(&found);
            return context.stdout.write_json("the drafts", &json);
        }
        let lines = words::list(&found);
        if lines.is_empty() && found.is_empty() {
            context.report.say("There are no drafts.");
        }
        let text: String = lines
            .iter()
            .map(|line| format!("{}\n", context.report.safe_and_short(line)))
            .collect();
        let written = context.stdout.write(text.as_bytes());
        written.map_err(|error| Failure::stdout("the drafts", &error))
    }

    fn targets(&self, context: &Context) -> Vec<PathBuf> {
        let paths = self.paths.iter();
        let files = paths.map(|path| repository::absolute(&context.directory, path));
        files.map(|file| edit::identity(&file)).collect()
    }

    fn discard(&self, context: &Context) -> Result<(), Failure> {
        let targets = self.targets(context);
        if targets.is_empty() && !self.all {
            return Err(
                Failure::new("--discard needs to know which drafts to throw away")
                    .hint_command("for one file:", kb("k secrets drafts --discard PATH"))
                    .hint_command("for all files:", kb("k secrets drafts --discard --all")),
            );
        }
        let found = Found::look(context, adopt(context));
        let is_meant = |target: &Path| self.all || targets.iter().any(|it| it == target);
        let mut discarded = Vec::new();
        for unsaved in found.unsaved {
            let head = unsaved.kept().head;
            if is_meant(&head.target) {
                unsaved.discard()?;
                discarded.push(head.target);
            }
        }
        if let Some(in_use) = found.in_use.iter().find(|it| is_meant(&it.head.target)) {
            let path = in_use.head.target.clone();
            return Err(EditError::Resumed { path }.into());
        }
        for target in &targets {
            if !discarded.contains(target) {
                let path = target.clone();
                return Err(EditError::NothingKept { path }.into());
            }
        }
        let text = match discarded.len() {
            1 => "1 draft was thrown away.".to_owned(),
            count => format!("{count} drafts were thrown away."),
        };
        context.report.say(&text);
        Ok(())
    }
}

/// Makes drafts of what killed runs have left in memory, and says so to a person.
pub(super) fn adopt(context: &Context) -> Adopted {
    let drafts = context.environment.drafts();
    let adopted = edit::adopt(&context.environment.places(), &drafts);
    if context.report.reaches_a_person() {
        for notice in words::adopted(&adopted) {
            context.report.say(&notice);
        }
    }
    adopted
}
