//! End to end: the real programs, a real Squid where the story needs one, one module a story.

#[cfg(test)]
mod stage;
#[cfg(test)]
mod swapped;

#[cfg(test)]
mod canonical;
#[cfg(test)]
mod convert;
#[cfg(test)]
mod deny;
#[cfg(test)]
mod engine_gone;
#[cfg(test)]
mod evasions;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod hostile_inputs;
#[cfg(test)]
mod inside;
#[cfg(test)]
mod killed_reload;
#[cfg(test)]
mod levels;
#[cfg(test)]
mod load;
#[cfg(test)]
mod odd_urls;
#[cfg(test)]
mod permit;
#[cfg(test)]
mod portal_guard;
#[cfg(test)]
mod real_lists;
#[cfg(test)]
mod reload_under_load;
#[cfg(test)]
mod restart_under_load;
#[cfg(test)]
mod shell;
#[cfg(test)]
mod squid_conf;
#[cfg(test)]
mod store_faults;
#[cfg(test)]
mod tunnels;
