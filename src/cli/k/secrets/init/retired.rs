//! `kb k secrets init --import --retired`

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::private_key;
use crate::core::cluster::Mode;
use crate::core::flux_secret::RETIRED_ENTRY;
use crate::core::identity::Recipient;
use crate::core::prune;

/// Puts keys from stdin among the cluster's retired ones.
pub(super) fn run(context: &Context, dry_run: bool) -> Result<(), Failure> {
    let keys = private_key::read_several()?;
    let cluster = context.connect()?;
    let secret = context.common.secret();
    let mode = if dry_run { Mode::DryRun } else { Mode::Persist };
    let restored = prune::restore(&cluster, &secret, &keys, mode)?;
    let target = cluster.target();
    let list = Recipient::list(&restored);
    let (name, server) = (&target.context, target.server());
    let report = &context.report;
    report.say(&format!(
        "Retired key in the Secret {secret} of context \"{name}\" ({server}), {RETIRED_ENTRY}: {list}"
    ));
    report.say(if dry_run {
        "Nothing was changed: this was a dry run."
    } else {
        "Done: kb and Flux can open files that are encrypted for it again. The current key and .sops.yaml were not changed."
    });
    Ok(())
}
