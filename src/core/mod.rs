//! The work, without a terminal: every outside thing has one owner here.
//!
//! | module | owns |
//! | --- | --- |
//! | [`git`] | the `git` process |
//! | [`audit`] | what files are, by their rules and their content |
//! | [`rules`] | which rule of which `.sops.yaml` a file has |
//! | [`identity`] | the text forms of age identities and recipients |
//! | [`cluster`] | the Kubernetes API server, by way of kube |
//! | [`conflict`] | Git's conflict markers in a text |
//! | [`flux_secret`] | the content of the Secret that Flux decrypts with |
//! | [`servers`] | the key servers that were accepted on this machine |
//! | [`sops`] | the `sops` process |
//! | [`sops_config`] | `.sops.yaml` |
//! | [`readers`] | who may read: the keys of a rule or a file |
//! | [`reviewed`] | the rules and files of the remote's default branch |
//! | [`encrypted`] | encrypted files: who can open them, and their values without sops |
//! | [`data_key`] | the data key in them |
//! | [`yaml`] | reading YAML and JSON |
//! | [`repository`] | which directory is the repository, which config applies |
//! | [`scan`] | which files of a repository are for given recipients |
//! | [`reencrypt`] | moving encrypted files from old recipients to a new one |
//! | [`kustomize`] | which files Flux applies for a path |
//! | [`parallel`] | the same work on many things |
//! | [`manifest`] | Secrets in the repository's manifests, and what the API server refuses in them |
//! | [`placeholder`] | texts in the place of values that are filled in later |
//! | [`replace`] | writing to disk: nothing else in kb writes a file |
//! | [`disk`] | which files lie in memory and which on a disk |
//! | [`state`] | files in the person's state directory |
//! | [`drafts`] | unsaved texts, encrypted in the state directory |
//! | [`private_dir`] | directories in memory, for a plaintext that is edited |
//! | [`editor`] | the editor, and what keeps its copies off the disk |
//! | [`process_tree`] | ending a program with what it has started |
//! | [`regular_file`] | reading files that someone else has named |
//! | [`excerpt`] | what messages repeat of other people's text |
//! | [`exec`] | other programs, with the cluster's key in their environment |
//! | [`signals`] | what happens when someone wants kb to stop |
//!
//! [`init`], [`rotate`], [`prune`], [`edit`], [`decrypt`] and [`status`] put them together,
//! one module per command; `check` is [`audit`] alone, and [`fix`] with `--fix`.

pub mod audit;
pub mod cluster;
pub mod conflict;
pub mod data_key;
pub mod decrypt;
pub mod disk;
pub mod drafts;
pub mod edit;
pub mod editor;
pub mod encrypted;
pub mod excerpt;
pub mod exec;
pub mod fix;
pub mod flux_secret;
pub mod git;
pub mod identity;
pub mod init;
pub mod kustomize;
pub mod manifest;
pub mod parallel;
pub mod placeholder;
pub mod private_dir;
pub mod process_tree;
pub mod prune;
pub mod readers;
pub mod reencrypt;
pub mod regular_file;
pub mod replace;
pub mod repository;
pub mod reviewed;
pub mod rotate;
pub mod rules;
pub mod scan;
pub mod servers;
pub mod signals;
pub mod sops;
pub mod sops_config;
pub mod state;
pub mod status;
pub mod yaml;
