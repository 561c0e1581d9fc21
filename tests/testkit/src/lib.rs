//! The real parts that kb is tested with, and the closed world it is run in.
//!
//! Nothing here imitates: [`Tools`] finds or builds the real sops, age, etcd
//! and kube-apiserver, [`Cluster`] runs the latter two on loopback, [`net`]
//! has the proxies and the broken servers that a kubeconfig may point to, and
//! [`World`] runs the kb binary where nothing of the person at the keyboard
//! can be seen.
//!
//! Whatever is not as a test needs it is a panic with a text that says what
//! to do: nothing in here returns an error that a test could overlook, and no
//! test is skipped because a part is missing.

mod client;
mod cluster;
pub mod generated;
mod kubeconfig;
pub mod net;
mod pki;
pub mod sample;
mod supervise;
mod tools;
mod world;

pub use client::Client;
pub use cluster::{Cluster, Flux, UserKind};
pub use kubeconfig::Kubeconfig;
pub use pki::Pki;
pub use tools::Tools;
pub use world::{Run, Spawned, World};
