//! What few rules ask for: users, methods, ports and times; each is looked up at most once a request, and
//! the clock once a moment.

use super::lookup::{Findings, Looked, Matcher, push};
use super::ports::BLOCKS_OF_PORT;
use super::runs::{Candidates, Run};
use super::tables::Tables;
use super::users::UserHit;
use crate::client::{InnerMethod, Request, Unknown};
use crate::moment::Moment;

/// What was found of it.
#[derive(Debug, Default)]
pub(super) struct RestFindings {
    users: (Looked, Option<UserHit>),
    methods: (Looked, Run),
    /// Memory for a method in upper case.
    upper: Vec<u8>,
    ports: Ports,
    /// The minute of the week that clocks show at a moment; kept from one request to the next.
    minute: Option<(Moment, u16)>,
}

/// Of each port of a request, the blocks that it lies in.
#[derive(Debug, Default)]
struct Ports {
    looked: Looked,
    blocks: [Vec<u32>; 2],
    count: usize,
}

impl RestFindings {
    /// Makes room for what these tables can find.
    pub(super) fn fit(&mut self, tables: &Tables) {
        self.clear();
        self.upper.reserve(tables.methods.longest());
        for blocks in &mut self.ports.blocks {
            blocks.clear();
            blocks.reserve(BLOCKS_OF_PORT);
        }
        // Another ruleset may have another zone.
        self.minute = None;
    }

    /// Forgets the request before.
    pub(super) fn clear(&mut self) {
        self.users.0 = Looked::NotYet;
        self.methods.0 = Looked::NotYet;
        self.ports.looked = Looked::NotYet;
    }
}

impl Matcher {
    /// The rules that users, ports and methods find.
    pub(super) fn gather_rest(
        &self,
        request: &Request<'_>,
        findings: &mut Findings,
        candidates: &mut Candidates,
    ) {
        if self.by_user.finds()
            && let Some(hit) = self.user(request, findings)
        {
            push(&self.by_user.by_node, hit.number, &self.runs, candidates);
            for list in self.runs.of(hit.lists) {
                push(&self.by_user.by_list, *list, &self.runs, candidates);
            }
        }
        if !self.by_port.is_empty() {
            for block in self.ports(request, findings).flatten() {
                push(&self.by_port, *block, &self.runs, candidates);
            }
        }
        if !self.any_method.is_empty() {
            for method in self.runs.of(self.method(request, findings)) {
                push(&self.by_method, *method, &self.runs, candidates);
            }
            match (request.inner_method(), request.unknown()) {
                (InnerMethod::Unknown, Unknown::Defers) => {
                    candidates.push(&self.runs, self.any_method);
                }
                (InnerMethod::Unknown, Unknown::Fails) | (InnerMethod::Known, _) => (),
            }
        }
    }

    /// Who asks, where rules name that user.
    pub(crate) fn user(&self, request: &Request<'_>, findings: &mut Findings) -> Option<UserHit> {
        let (looked, hit) = &mut findings.rest.users;
        if *looked == Looked::NotYet {
            *looked = Looked::Done;
            *hit = request.client.user.and_then(|user| self.tables.users.find(user));
        }
        *hit
    }

    /// The numbers of all spellings of the method.
    pub(crate) fn method(&self, request: &Request<'_>, findings: &mut Findings) -> Run {
        let RestFindings { methods: (looked, run), upper, .. } = &mut findings.rest;
        if *looked == Looked::NotYet {
            *looked = Looked::Done;
            *run = self.tables.methods.spellings(request.method(), upper);
        }
        *run
    }

    /// For each port of the request, the blocks that it lies in.
    pub(crate) fn ports<'f>(
        &self,
        request: &Request<'_>,
        findings: &'f mut Findings,
    ) -> impl Iterator<Item = &'f Vec<u32>> + use<'f> {
        let Ports { looked, blocks, count } = &mut findings.rest.ports;
        if *looked == Looked::NotYet {
            *looked = Looked::Done;
            *count = 0;
            for (port, blocks) in request.ports().zip(&mut *blocks) {
                blocks.clear();
                blocks.extend(self.tables.ports.of(port));
                *count += 1;
            }
        }
        blocks.iter().take(*count)
    }

    /// The minute of the week that clocks show at `now`.
    pub(crate) fn minute(&self, now: Moment, findings: &mut Findings) -> u16 {
        match findings.rest.minute {
            Some((moment, minute)) if moment == now => minute,
            Some(_) | None => {
                let minute = self.tables.zone.minute(now);
                findings.rest.minute = Some((now, minute));
                minute
            }
        }
    }
}
