//! Which rule of which `.sops.yaml` a file has.
//!
//! That is the config that was named, else the nearest one above the file within its
//! repository. A config above the repository is nobody's who reviews it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::repository::FoundConfig;
use super::sops_config::{ConfigError, CreationRule, FILE_NAME, PathForm, RuleMatch, SopsConfig};

/// What no file and no directory is called.
const OTHER: &str = "of-another-name";

/// The rules of all files that are looked at.
#[derive(Debug, Default)]
pub struct Rules {
    configs: Vec<LoadedConfig>,
    broken: Vec<Broken>,
    /// The config of a directory; `None` if there is none.
    by_directory: HashMap<PathBuf, Option<ConfigEntry>>,
    /// The config that was named: it is for all files.
    named: Option<ConfigEntry>,
    /// The `.sops.yml` that stand where a config would.
    misnamed: Vec<PathBuf>,
}

/// The index of a config.
#[derive(Clone, Copy, Debug)]
enum ConfigEntry {
    Config(usize),
    Broken(usize),
}

/// A config that cannot be read.
#[derive(Debug)]
struct Broken {
    base: PathBuf,
    error: ConfigError,
}

#[derive(Debug)]
struct LoadedConfig {
    config: SopsConfig,
    /// The directory that its rules are matched from.
    base: PathBuf,
    /// What the files' paths look like to them.
    paths: PathForm,
    /// For each rule, whether it is for every path.
    for_all: Vec<bool>,
    /// For each rule, what sops stumbles over.
    errors: Vec<Option<ConfigError>>,
}

/// The rule of a file.
#[derive(Clone, Copy, Debug)]
pub struct MatchedRule<'r> {
    /// The config that it stands in.
    pub config: &'r SopsConfig,
    /// The rule.
    pub rule: &'r CreationRule,
    /// The directory that its paths are matched from.
    pub base: &'r Path,
    /// Whether it is for every path: then it says nothing of what a file is.
    pub is_for_all: bool,
}

/// Which rule a file has.
#[derive(Clone, Copy, Debug)]
pub enum RuleOf<'r> {
    /// No rule is for it.
    None,
    /// This one is.
    Rule(MatchedRule<'r>),
    /// The rule that it has, or may have, cannot be used.
    Broken {
        /// What is wrong with it, or with the whole config; where it stands is in it.
        error: &'r ConfigError,
        /// The rule, if it is surely for the file.
        rule: Option<MatchedRule<'r>>,
    },
}

impl<'r> RuleOf<'r> {
    /// The rule, if it can be used.
    pub fn usable(self) -> Option<MatchedRule<'r>> {
        match self {
            Self::Rule(rule) => Some(rule),
            Self::None | Self::Broken { .. } => None,
        }
    }

    /// The rule that is surely for the file, even if sops cannot encrypt by it.
    pub fn matching(self) -> Option<MatchedRule<'r>> {
        match self {
            Self::Rule(rule) => Some(rule),
            Self::Broken { rule, .. } => rule,
            Self::None => None,
        }
    }

    /// Whether surely no rule is for the file.
    pub fn is_none(self) -> bool {
        matches!(self, Self::None)
    }
}

impl Rules {
    /// The rules of one config, for all files, whose paths look to it like this.
    pub(super) fn named(
        config: Result<SopsConfig, ConfigError>,
        base: PathBuf,
        paths: PathForm,
    ) -> Self {
        let mut rules = Self::default();
        rules.named = Some(rules.add(config, base, paths));
        rules
    }

    /// The rules for files in these directories, which are absolute. `load` reads the
    /// config of a directory, where it has one; `misnamed` finds a `.sops.yml` in it.
    pub(super) fn of_directories<'p>(
        directories: impl IntoIterator<Item = &'p Path>,
        mut load: impl FnMut(&Path) -> Option<Result<SopsConfig, ConfigError>>,
        misnamed: impl Fn(&Path) -> Option<PathBuf>,
    ) -> Self {
        let mut rules = Self::default();
        for directory in directories {
            let mut unknown = Vec::new();
            let mut found = None;
            for above in directory.ancestors() {
                if let Some(known) = rules.by_directory.get(above) {
                    found = *known;
                    break;
                }
                unknown.push(above.to_owned());
                if let Some(config) = load(above) {
                    found = Some(rules.add(config, above.to_owned(), PathForm::Relative));
                    break;
                }
                rules.misnamed.extend(misnamed(above));
                if above.join(".git").exists() {
                    break;
                }
            }
            for above in unknown {
                rules.by_directory.insert(above, found);
            }
        }
        rules.misnamed.sort();
        rules
    }

    /// The rules for files in these directories, which are absolute: of the config that was
    /// named, else of the nearest one above each, within its repository.
    pub fn of_working_tree<'p>(
        directories: impl IntoIterator<Item = &'p Path>,
        named: Option<&FoundConfig>,
    ) -> Self {
        match named {
            Some(named) => Self::of_named(named, SopsConfig::load(&named.path)),
            None => Self::by(directories, |path| {
                let is_there = path.symlink_metadata().is_ok();
                is_there.then(|| SopsConfig::load(path))
            }),
        }
    }

    /// The rules of the config that was named, for all files.
    pub fn of_named(named: &FoundConfig, config: Result<SopsConfig, ConfigError>) -> Self {
        Self::named(config, named.base.clone(), PathForm::Either)
    }

    /// The rules of the nearest config above each directory; `load` reads the one at a path,
    /// if there is one.
    pub fn by<'p>(
        directories: impl IntoIterator<Item = &'p Path>,
        load: impl Fn(&Path) -> Option<Result<SopsConfig, ConfigError>>,
    ) -> Self {
        let load = |directory: &Path| load(&directory.join(FILE_NAME));
        Self::of_directories(directories, load, |_| None)
    }

    /// The first config with conflict markers in it, which nobody has resolved.
    pub fn conflict(&self) -> Option<&ConfigError> {
        let mut all = self.broken_configs();
        all.find(|error| matches!(error, ConfigError::Conflict { .. }))
    }

    fn add(
        &mut self,
        config: Result<SopsConfig, ConfigError>,
        base: PathBuf,
        paths: PathForm,
    ) -> ConfigEntry {
        match config {
            Ok(config) => {
                let rules = config.rules.iter();
                self.configs.push(LoadedConfig {
                    for_all: rules
                        .clone()
                        .map(|it| it.is_for_every_path(paths))
                        .collect(),
                    errors: rules.map(|rule| config.error_of(rule)).collect(),
                    config,
                    base,
                    paths,
                });
                ConfigEntry::Config(self.configs.len() - 1)
            }
            Err(error) => {
                self.broken.push(Broken { base, error });
                ConfigEntry::Broken(self.broken.len() - 1)
            }
        }
    }

    /// The configs that can be read.
    pub fn configs(&self) -> impl Iterator<Item = &SopsConfig> {
        self.configs.iter().map(|found| &found.config)
    }

    /// The same, each with what the files' paths look like to its rules.
    pub fn configs_and_paths(&self) -> impl Iterator<Item = (&SopsConfig, PathForm)> {
        self.configs
            .iter()
            .map(|found| (&found.config, found.paths))
    }

    /// Whether all configs can be read: else nobody knows what rules there are.
    pub fn are_known(&self) -> bool {
        self.broken.is_empty()
    }

    /// Whether all rules can be used: else nobody knows whom they name.
    pub fn are_sound(&self) -> bool {
        self.are_known() && self.broken_rules().next().is_none()
    }

    /// Whether sops cannot read a config that is for the files of this directory.
    pub fn are_broken_at(&self, directory: &Path) -> bool {
        let broken = self.broken.iter().map(|broken| &broken.base);
        let configs = self.configs.iter();
        let unread = configs.filter(|found| found.config.check_form().is_err());
        let mut bases = broken.chain(unread.map(|found| &found.base));
        bases.any(|base| self.named.is_some() || directory.starts_with(base))
    }

    /// What is wrong with the configs that cannot be read.
    pub fn broken_configs(&self) -> impl Iterator<Item = &ConfigError> {
        self.broken.iter().map(|broken| &broken.error)
    }

    /// What is wrong with single rules of the others.
    pub fn broken_rules(&self) -> impl Iterator<Item = &ConfigError> {
        self.configs
            .iter()
            .flat_map(|found| found.errors.iter().flatten())
    }

    /// The `.sops.yml` that stand where sops finds no config.
    pub fn misnamed(&self) -> &[PathBuf] {
        &self.misnamed
    }

    /// The rule that a file has, by its absolute path.
    pub fn of(&self, file: &Path) -> RuleOf<'_> {
        let entry = self
            .named
            .or_else(|| *self.by_directory.get(file.parent()?)?);
        let found = match entry {
            None => return RuleOf::None,
            Some(ConfigEntry::Broken(index)) => {
                return RuleOf::Broken {
                    error: &self.broken[index].error,
                    rule: None,
                };
            }
            Some(ConfigEntry::Config(index)) => &self.configs[index],
        };
        let (index, is_sure) = match found.config.rule_index(&found.base, file) {
            RuleMatch::None => return RuleOf::None,
            RuleMatch::Rule(index) => (index, true),
            RuleMatch::Unknown(index) => (index, false),
        };
        let rule = MatchedRule {
            config: &found.config,
            rule: &found.config.rules[index],
            base: &found.base,
            is_for_all: found.for_all[index],
        };
        match &found.errors[index] {
            None => RuleOf::Rule(rule),
            Some(error) => RuleOf::Broken {
                error,
                rule: is_sure.then_some(rule),
            },
        }
    }
}

impl MatchedRule<'_> {
    /// Whether it names the kind of the file, by the ending of its name: with another
    /// one it would not be for it.
    pub(super) fn names_kind(&self, file: &Path) -> bool {
        // Of a name that begins with a dot, and has no other, the whole is the ending.
        !self.is_for(&match file.extension() {
            Some(_) => file.with_extension(OTHER),
            None => file.with_file_name(format!(".{OTHER}")),
        })
    }

    /// Whether it names the file itself: one with another name and the same ending it
    /// would not be for.
    pub(super) fn names_file(&self, file: &Path) -> bool {
        !self.is_for(&file.with_file_name(other_name(file)))
    }

    /// Whether it says nothing of where a file is and what it is called but for its ending:
    /// such a rule is for manifests and values of every kind.
    pub(super) fn names_ending_alone(&self, file: &Path) -> bool {
        let other = Path::new(OTHER).join(other_name(file));
        self.is_for(&self.base.join(other))
    }

    /// Whether the file of an absolute path would have this rule.
    pub(super) fn is_for(&self, file: &Path) -> bool {
        match self.config.rule_index(self.base, file) {
            RuleMatch::Rule(index) => std::ptr::eq(&self.config.rules[index], self.rule),
            RuleMatch::None | RuleMatch::Unknown(_) => false,
        }
    }
}

/// Another name with the same ending.
fn other_name(file: &Path) -> PathBuf {
    let mut other = PathBuf::from(OTHER);
    if let Some(ending) = file.extension() {
        other.set_extension(ending);
    }
    other
}
