//! Channel-IDs: the number by which Squid knows a line, in front of it and of its answer.

/// The number by which Squid knows a line; it comes back in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChannelId(pub u64);

/// Whom an answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// The line with this channel-ID.
    Numbered(ChannelId),
    /// The one line that is outstanding in the old form.
    Only,
}

/// Why an answer of the engine cannot be told to Squid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// The token is missing, too long, or holds a byte outside base64url.
    #[error("its token is not base64url")]
    Token,
    /// The tag holds a byte outside base64url.
    #[error("its tag is not base64url")]
    Tag,
    /// No address is known that a client could be sent to.
    #[error("no portal address is known")]
    NoPortal,
    /// It was asked what to do with a TLS connection and does not say it.
    #[error("it does not say what to do with the TLS connection")]
    NoTls,
    /// It denies a TLS connection and lets it go on.
    #[error("it denies the TLS connection and does not end it")]
    Contradiction,
}

/// Takes the channel-ID off the front of a line: a first word of digits only.
#[must_use]
pub fn split_channel(line: &[u8]) -> (Option<ChannelId>, &[u8]) {
    let end = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
    let Some((word, rest)) = line.split_at_checked(end) else { return (None, line) };
    match number(word) {
        Some(number) => (Some(ChannelId(number)), rest.strip_prefix(b" ").unwrap_or(rest)),
        None => (None, line),
    }
}

/// A decimal number without sign, if it is one.
pub(super) fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// Begins an answer.
pub(crate) fn begin(out: &mut Vec<u8>, channel: Channel) {
    match channel {
        Channel::Numbered(ChannelId(id)) => {
            push_number(out, id);
            out.push(b' ');
        }
        Channel::Only => {}
    }
}

/// PERF: without an allocation, unlike `to_string`.
pub(crate) fn push_number(out: &mut Vec<u8>, number: u64) {
    if number >= 10 {
        push_number(out, number / 10);
    }
    out.push(b'0' + u8::try_from(number % 10).unwrap_or_default());
}
