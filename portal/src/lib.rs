//! The captive portal: what a person meets whose request was stopped.
//!
//! A page is the opened payload of the redirect and nothing else: the portal holds the portal secret,
//! asks nobody, and knows no policy. A payload that does not open gets a plain 400 without detail; no
//! payload at all means that the filter itself failed, a 503.
//!
//! INVARIANT: only `page` makes HTML out of outside text, by templates that escape.

pub mod app;
pub mod config;
pub mod page;
pub mod payload;
pub mod serve;
