//! A word for a TLS connection to the line that Squid understands.
//!
//! INVARIANT: an answer is `OK eg_tls_=<splice|bump|terminate> ...` and never anything else. Squid 5.7
//! splices where a helper says `BH` or dies, and `tag=` would stick to the connection.

use eg_proto::{Action, Answer, Tls, is_base64url};

use crate::helper::{BadAnswer, Channel, begin};

/// Appends the engine's answer.
///
/// # Errors
/// When it says nothing of TLS, or lets go on what it denies, or holds something that Squid must not
/// see; nothing is appended.
pub fn answer(out: &mut Vec<u8>, channel: Channel, answer: &Answer<'_>) -> Result<(), BadAnswer> {
    let tls = answer.tls.ok_or(BadAnswer::NoTls)?;
    match (answer.action, tls) {
        (Action::Permit, Tls::Splice | Tls::Bump | Tls::Terminate)
        | (Action::Deny | Action::Warn | Action::Aup, Tls::Terminate) => {}
        (Action::Deny | Action::Warn | Action::Aup, Tls::Splice | Tls::Bump) => {
            return Err(BadAnswer::Contradiction);
        }
    }
    if !is_base64url(answer.tag) {
        return Err(BadAnswer::Tag);
    }
    word(out, channel, tls);
    out.extend_from_slice(b" eg_tls_id_=");
    out.extend_from_slice(answer.decision.text().as_str().as_bytes());
    if !answer.tag.is_empty() {
        out.extend_from_slice(b" clt_conn_tag=");
        out.extend_from_slice(answer.tag);
    }
    out.push(b'\n');
    Ok(())
}

/// Appends a word that no engine gave. It carries no decision id: that is how Squid's access log shows
/// that nobody decided.
pub fn say(out: &mut Vec<u8>, channel: Channel, tls: Tls) {
    word(out, channel, tls);
    out.push(b'\n');
}

fn word(out: &mut Vec<u8>, channel: Channel, tls: Tls) {
    begin(out, channel);
    out.extend_from_slice(b"OK eg_tls_=");
    out.extend_from_slice(tls.word().as_bytes());
}

#[cfg(test)]
mod tests {
    use eg_proto::{Action, DecisionId};

    use super::*;
    use crate::helper::ChannelId;

    const SEVEN: Channel = Channel::Numbered(ChannelId(7));

    fn check(channel: Channel, tls: Option<Tls>, tag: &str, expected: Result<&str, BadAnswer>) {
        let action = if tls == Some(Tls::Terminate) { Action::Deny } else { Action::Permit };
        check_beside(action, channel, tls, tag, expected);
    }

    fn check_beside(
        action: Action,
        channel: Channel,
        tls: Option<Tls>,
        tag: &str,
        expected: Result<&str, BadAnswer>,
    ) {
        let decision = DecisionId::new(1, 2);
        let wire =
            Answer { id: 9, action, decision, token: b"never told", tag: tag.as_bytes(), tls };
        let mut out = Vec::new();
        let told =
            answer(&mut out, channel, &wire).map(|()| String::from_utf8(out.clone()).unwrap());
        let expected = expected.map(|text| text.replace("ID", &decision.to_string()));
        assert_eq!(told, expected);
        assert!(told.is_ok() || out.is_empty(), "a refused answer left something");
    }

    #[test]
    fn an_answer_has_one_shape() {
        for (channel, tls, tag, expected) in [
            (SEVEN, Tls::Splice, "", "7 OK eg_tls_=splice eg_tls_id_=ID\n"),
            (SEVEN, Tls::Bump, "g-_1", "7 OK eg_tls_=bump eg_tls_id_=ID clt_conn_tag=g-_1\n"),
            (Channel::Only, Tls::Terminate, "", "OK eg_tls_=terminate eg_tls_id_=ID\n"),
        ] {
            check(channel, Some(tls), tag, Ok(expected));
        }
    }

    #[test]
    fn refuses_an_answer_that_is_none() {
        check(SEVEN, None, "", Err(BadAnswer::NoTls));
        for tag in ["a b", "a\n8 OK eg_tls_=splice", "=", "\"", "%20", "\u{e9}"] {
            check(SEVEN, Some(Tls::Splice), tag, Err(BadAnswer::Tag));
        }
    }

    #[test]
    fn what_is_denied_never_goes_on() {
        for action in [Action::Deny, Action::Warn, Action::Aup] {
            for tls in [Tls::Splice, Tls::Bump] {
                check_beside(action, SEVEN, Some(tls), "", Err(BadAnswer::Contradiction));
            }
        }
        for action in [Action::Permit, Action::Deny, Action::Warn, Action::Aup] {
            let told = "7 OK eg_tls_=terminate eg_tls_id_=ID\n";
            check_beside(action, SEVEN, Some(Tls::Terminate), "", Ok(told));
        }
    }

    #[test]
    fn a_word_of_our_own_has_no_decision() {
        for &tls in Tls::ALL {
            let mut out = Vec::new();
            say(&mut out, SEVEN, tls);
            assert_eq!(out, format!("7 OK eg_tls_={tls}\n").as_bytes());
        }
    }
}
