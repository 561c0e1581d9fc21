//! `kb man`

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man as Page;

use super::Cli;
use super::context::Context;
use super::failure::Failure;
use crate::core::replace;
use crate::core::repository;

/// Write man pages, one for each command, for packagers
#[derive(Args, Debug)]
pub struct Man {
    /// The directory that they go to
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Man {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let directory = repository::absolute(&context.directory, &self.directory);
        let place = directory.display().to_string();
        if !directory.is_dir() {
            return Err(
                Failure::new(format!("there is no directory {place}")).hint("mkdir -p makes it")
            );
        }
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        let mut pages = Vec::new();
        collect(command, &mut pages);
        for page in &pages {
            let path = directory.join(page.get_filename());
            let mut text = Vec::new();
            // Memory takes everything.
            let _ = page.render(&mut text);
            let before = std::fs::read(&path).ok();
            replace::stage(&path, before.as_deref(), &text)?.commit()?;
        }
        let count = pages.len();
        context
            .report
            .say(&format!("{count} man pages are in {place}."));
        Ok(())
    }
}

/// The pages of a command and those below it.
fn collect(command: Command, pages: &mut Vec<Page>) {
    for below in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        collect(below.clone(), pages);
    }
    let source = format!("kb {}", env!("CARGO_PKG_VERSION"));
    pages.push(Page::new(command).source(source));
}
