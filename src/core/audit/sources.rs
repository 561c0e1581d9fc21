//! Which files there are, and their content: those of the working tree, or those of
//! the index, which are what a commit would take.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{available_parallelism, scope};

use ignore::WalkBuilder;

use super::content::Content;
use super::keys::KeyFinder;
use super::rules::Rules;
use super::{Audit, AuditError, Examined};
use crate::core::git::{BlobError, Entry, Git};
use crate::core::sops_config::{ConfigError, FILE_NAME, SopsConfig};

/// Of a file that is larger, in bytes, only so much is looked at: nobody encrypts such
/// a file with sops, which holds it in memory several times.
const LARGEST: u64 = 256 << 20;
/// So many files of the index one git is asked for at least: to start one more costs
/// as much as a few hundred files.
const FEWEST_BLOBS: usize = 500;

/// What is of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What must not be committed.
    Leaks,
    /// Who can open the encrypted files, as well.
    All,
}

/// Looks at files of the working tree. `paths`: these, and what is below them; without
/// any, all of the repository at `root`. `git` tells which files there are; without it,
/// all count. `named`: the config that was named.
///
/// # Errors
/// [`AuditError::Git`], [`AuditError::Missing`]
pub fn working_tree(
    depth: Depth,
    root: &Path,
    git: Option<&Git>,
    paths: &[PathBuf],
    skip: &[PathBuf],
    named: Option<&Path>,
) -> Result<Audit, AuditError> {
    let mut files = files_of(root, git, paths)?;
    files.retain(|path| !is_skipped(path, skip));
    let rules = rules(&files, named, read_config);
    let next = AtomicUsize::new(0);
    let parts = on_all_cores(files.len(), || {
        let mut looker = Looker::new(&rules, depth);
        while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            looker.look_at_file(path);
        }
        Ok::<_, AuditError>(looker.into_parts())
    })?;
    Ok(join(parts, files.len(), rules))
}

/// Looks at what would be committed: the files whose content in the index is another
/// than in the last commit; all of the index, if a `.sops.yaml` is among them. The
/// rules are those of the index as well.
///
/// # Errors
/// [`AuditError::Git`], [`AuditError::Blob`]
pub fn index(git: &Git, skip: &[PathBuf], named: Option<&Path>) -> Result<Audit, AuditError> {
    let root = git.root();
    let is_config = |entry: &Entry| entry.path.file_name().is_some_and(|name| name == FILE_NAME);
    let mut entries = git.staged()?;
    if entries.iter().any(is_config) {
        entries = git.index(None)?;
    }
    entries.retain(|entry| !is_skipped(&root.join(&entry.path), skip));
    let paths: Vec<PathBuf> = entries.iter().map(|entry| root.join(&entry.path)).collect();
    let mut configs = HashMap::new();
    let found = git.index(Some(FILE_NAME))?;
    git.contents(&found, |path, _, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        configs.insert(root.join(path), bytes);
        Ok(())
    })?;
    let rules = rules(&paths, named, |path| match configs.remove(path) {
        Some(bytes) => Some(SopsConfig::from_bytes(path, bytes)),
        // Above the repository there is no index.
        None if path.starts_with(root) => None,
        None => read_config(path),
    });
    let workers = (entries.len() / FEWEST_BLOBS + 1).min(cores());
    let size = entries.len().div_ceil(workers).max(1);
    let next = AtomicUsize::new(0);
    let parts = on_all_cores(workers, || {
        let mut looker = Looker::new(&rules, Depth::Leaks);
        if let Some(part) = entries
            .chunks(size)
            .nth(next.fetch_add(1, Ordering::Relaxed))
        {
            git.contents(part, |path, size, content| {
                looker.look_at(&root.join(path), size, content)
            })?;
        }
        Ok::<_, BlobError>(looker.into_parts())
    })?;
    Ok(join(parts, entries.len(), rules))
}

fn is_skipped(path: &Path, skip: &[PathBuf]) -> bool {
    skip.iter().any(|skip| path.starts_with(skip))
}

fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// The files, absolute and ordered.
fn files_of(root: &Path, git: Option<&Git>, paths: &[PathBuf]) -> Result<Vec<PathBuf>, AuditError> {
    let mut files = BTreeSet::new();
    let mut directories = Vec::new();
    for path in paths {
        let kind = path.symlink_metadata().map(|it| it.file_type());
        match kind {
            Ok(kind) if kind.is_dir() => directories.push(path.clone()),
            // What was named is looked at, ignored or not.
            Ok(_) => drop(files.insert(path.clone())),
            Err(_) => return Err(AuditError::Missing { path: path.clone() }),
        }
    }
    if paths.is_empty() {
        directories.push(root.to_owned());
    }
    let in_git = |directory: &Path| Some(directory.strip_prefix(root).ok()?.to_owned());
    match git {
        Some(git) if !directories.is_empty() => {
            let (inside, outside): (Vec<_>, Vec<_>) = directories
                .into_iter()
                .partition(|directory| in_git(directory).is_some());
            if !inside.is_empty() {
                let below: Vec<PathBuf> = inside.iter().filter_map(|it| in_git(it)).collect();
                let below = match below.iter().any(|path| path.as_os_str().is_empty()) {
                    true => Vec::new(),
                    false => below,
                };
                let listed = git.working_tree(&below)?;
                files.extend(listed.into_iter().map(|path| root.join(path)));
            }
            walk(&outside, &mut files);
        }
        _ => walk(&directories, &mut files),
    }
    let is_file = |path: &PathBuf| path.symlink_metadata().is_ok_and(|it| it.is_file());
    files.retain(is_file);
    Ok(files.into_iter().collect())
}

/// All files below the directories, without other people's repositories.
fn walk(directories: &[PathBuf], files: &mut BTreeSet<PathBuf>) {
    for directory in directories {
        let top = directory.clone();
        let walk = WalkBuilder::new(directory)
            .standard_filters(false)
            .filter_entry(move |entry| {
                entry.file_name() != ".git"
                    && (entry.path() == top || !entry.path().join(".git").exists())
            })
            .build();
        files.extend(walk.flatten().map(ignore::DirEntry::into_path));
    }
}

fn read_config(path: &Path) -> Option<Result<SopsConfig, ConfigError>> {
    let is_there = path.symlink_metadata().is_ok();
    is_there.then(|| SopsConfig::load_or_empty(path))
}

/// The rules of the files; `load` reads the config at a path.
fn rules(
    files: &[PathBuf],
    named: Option<&Path>,
    mut load: impl FnMut(&Path) -> Option<Result<SopsConfig, ConfigError>>,
) -> Rules {
    if let Some(named) = named {
        let base = named.parent().unwrap_or(named).to_owned();
        // One that was named and is not there is an error of its own.
        let config = load(named).unwrap_or_else(|| SopsConfig::load(named));
        return Rules::named(config, base);
    }
    let directories: BTreeSet<&Path> = files.iter().filter_map(|path| path.parent()).collect();
    Rules::of_directories(directories, |directory| load(&directory.join(FILE_NAME)))
}

/// What the threads that look have found.
type Parts = (Vec<Examined>, Vec<(PathBuf, io::Error)>);

fn on_all_cores<E: Send>(
    most: usize,
    work: impl Fn() -> Result<Parts, E> + Sync,
) -> Result<Vec<Parts>, E> {
    scope(|scope| {
        let workers: Vec<_> = (0..cores().min(most)).map(|_| scope.spawn(&work)).collect();
        let results = workers.into_iter().map(|worker| match worker.join() {
            Ok(result) => result,
            // kb's own hook has said it.
            Err(panic) => std::panic::resume_unwind(panic),
        });
        results.collect()
    })
}

fn join(parts: Vec<Parts>, count: usize, rules: Rules) -> Audit {
    let mut audit = Audit {
        rules,
        files: Vec::new(),
        count,
        unread: Vec::new(),
    };
    for (files, unread) in parts {
        audit.files.extend(files);
        audit.unread.extend(unread);
    }
    audit.files.sort_by(|a, b| a.path.cmp(&b.path));
    audit.unread.sort_by(|a, b| a.0.cmp(&b.0));
    audit
}

/// One of the threads that look.
struct Looker<'r> {
    rules: &'r Rules,
    depth: Depth,
    keys: KeyFinder,
    buffer: Vec<u8>,
    found: Vec<Examined>,
    unread: Vec<(PathBuf, io::Error)>,
}

impl<'r> Looker<'r> {
    fn new(rules: &'r Rules, depth: Depth) -> Self {
        Self {
            rules,
            depth,
            keys: KeyFinder::new(),
            buffer: Vec::new(),
            found: Vec::new(),
            unread: Vec::new(),
        }
    }

    fn into_parts(self) -> Parts {
        (self.found, self.unread)
    }

    fn look_at_file(&mut self, path: &Path) {
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let looked = opened.and_then(|(size, mut file)| self.look_at(path, size, &mut file));
        match looked {
            Ok(()) => {}
            // What went away meanwhile is not there.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.unread.push((path.to_owned(), error)),
        }
    }

    fn look_at(&mut self, path: &Path, size: u64, content: &mut dyn Read) -> io::Result<()> {
        self.buffer.clear();
        content.take(LARGEST).read_to_end(&mut self.buffer)?;
        let look = match self.depth {
            Depth::Leaks => Content::leaks_of,
            Depth::All => Content::of,
        };
        let content = look(path, &self.buffer, self.rules.of(path));
        let private_key = self.keys.line_of_key(&self.buffer);
        if private_key.is_some() || !matches!(content, Content::Other) {
            self.found.push(Examined {
                path: path.to_owned(),
                size,
                private_key,
                content,
            });
        }
        Ok(())
    }
}
