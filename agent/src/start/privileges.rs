//! What the agent may do: it gives up all rights but the one to open a capture ring again.
//!
//! Rights belong to threads, so this comes before any is started. The ring needs `CAP_NET_RAW` and nothing else, and that
//! stays: so the workers open their rings themselves, the first time in the same way as when an interface comes back.

use std::io;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::unistd::{self, setgroups, setresgid, setresuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};
use tracing::{info, warn};

use super::owner::Owner;
use crate::error::RunError;

/// Capabilities have numbers from 0; the kernel's interface has room for so many.
const CAPABILITIES: u32 = 64;

/// Becomes `owner` if there is one, and gives up every right but, with `capture`, `CAP_NET_RAW`. Only for a process with
/// one thread.
///
/// # Errors
/// [`RunError::NoPermission`] when a user that the configuration names cannot be become, [`RunError::Unavailable`] when
/// the kernel does not let a right go.
pub fn give_up(owner: Option<&Owner>, capture: bool) -> Result<(), RunError> {
    let kept = if capture { CapabilitySet::NET_RAW } else { CapabilitySet::empty() };
    let failed = |error: io::Error| {
        RunError::Unavailable(format!(
            "cannot give up rights that are not needed: {error}; look at the sandbox of the process"
        ))
    };
    // Needs a right that goes with the user.
    bound(kept).map_err(failed)?;
    match owner {
        Some(owner) => change(owner)?,
        None => leave_groups().map_err(|error| failed(error.into()))?,
    }
    let kept = keep(kept).map_err(failed)?;
    prctl::set_no_new_privs().map_err(|error| failed(error.into()))?;
    info!(
        uid = unistd::geteuid().as_raw(),
        gid = unistd::getegid().as_raw(),
        capabilities = if kept.is_empty() { "none" } else { "net_raw" },
        "rights that are not needed are given up"
    );
    Ok(())
}

/// Takes all but `kept` out of the bounding set, as far as that is permitted.
fn bound(kept: CapabilitySet) -> io::Result<()> {
    for capability in (0..CAPABILITIES).map(|number| CapabilitySet::from_bits_retain(1 << number)) {
        match capability_is_in_bounding_set(capability) {
            // The kernel knows no more of them.
            Err(rustix::io::Errno::INVAL) => break,
            Ok(true) if !kept.contains(capability) => {}
            other => {
                other?;
                continue;
            }
        }
        match remove_capability_from_bounding_set(capability) {
            // Nothing is executed later, so that the bounding set gives nothing.
            Err(rustix::io::Errno::PERM) => break,
            other => other?,
        }
    }
    Ok(())
}

fn change(owner: &Owner) -> Result<(), RunError> {
    let changed = prctl::set_keepcaps(true)
        .and_then(|()| setgroups(&[]))
        .and_then(|()| setresgid(owner.gid, owner.gid, owner.gid))
        .and_then(|()| setresuid(owner.uid, owner.uid, owner.uid))
        .and_then(|()| prctl::set_keepcaps(false));
    match changed {
        Ok(()) => Ok(()),
        Err(error) if owner.is_named => Err(RunError::NoPermission(format!(
            "cannot become {owner} as agent.user asks: {error}; give CAP_SETUID and CAP_SETGID, or start as that user"
        ))),
        Err(error) => {
            warn!(
                "cannot become the owner of the data directory, {owner}: {error}; root goes on without root's rights"
            );
            Ok(())
        }
    }
}

/// Leaves supplementary groups, where that is permitted; a service manager gives them on purpose.
fn leave_groups() -> Result<(), Errno> {
    match setgroups(&[]) {
        Err(Errno::EPERM) => Ok(()),
        other => other,
    }
}

/// Keeps what of `wanted` there is; answers it.
fn keep(wanted: CapabilitySet) -> io::Result<CapabilitySet> {
    match clear_ambient_capability_set() {
        // Kernels before 4.3 have none.
        Err(rustix::io::Errno::INVAL) => {}
        other => other?,
    }
    let kept = capabilities(None)?.permitted.intersection(wanted);
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets)?;
    Ok(kept)
}
