//! Every bound of the wire in one table, each with its reason (SPEC 6).
//!
//! Both ends hold the same numbers; `docs/defendr.md` repeats them and a test compares the two.

use std::time::Duration;

/// The longest body of a frame. Room for a few hundred long URLs, small enough that a hostile peer
/// costs a session no more memory than this.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// The longest body of a frame before both sides have proved the key: a stranger gets little memory.
pub const HANDSHAKE_FRAME_BYTES_MAX: usize = 64 * 1024;

/// What stands before a body: its length and its kind.
pub const FRAME_HEAD_BYTES: usize = 5;

/// The memory that a frame buffer starts with; a batch of ordinary requests fits.
pub const FRAME_BUFFER_BYTES_START: usize = 16 * 1024;

/// The longest URI that is looked at. Squid's own bound is 8,192; a longer one than this is denied
/// as `invalid-request`.
pub const URI_BYTES_MAX: usize = 64 * 1024;

/// The longest method. The longest registered one has 17 letters.
pub const METHOD_BYTES_MAX: usize = 32;

/// The longest optional field of a query or an answer. A whole line of Squid has 9,216 bytes.
pub const FIELD_BYTES_MAX: usize = 9_216;

/// The most queries or answers in one frame: what a busy helper has outstanding fits twice.
pub const BATCH_MAX: usize = 4_096;

/// The most queries of one session that may be without an answer. A connector sends no more; this
/// version's engine answers each batch as it reads it and does not count them.
pub const IN_FLIGHT_MAX: u32 = 8_192;

/// The shortest shared key, in characters (SPEC 2).
pub const KEY_CHARS_MIN: usize = 16;

/// The longest shared key, in characters (SPEC 2).
pub const KEY_CHARS_MAX: usize = 128;

/// What a key must be worth where the engine's certificate is not pinned: an active attacker could
/// otherwise guess it offline.
pub const KEY_BITS_MIN_UNPINNED: u32 = 128;

/// The longest name of a connector, in characters.
pub const NAME_CHARS_MAX: usize = 64;

/// The most versions in one hello.
pub const VERSIONS_MAX: usize = 16;

/// The longest `base_url`: with the longest token the whole redirect stays below 7,500 bytes.
pub const BASE_URL_BYTES_MAX: usize = 400;

/// The longest path of a portal page in a welcome.
pub const ROUTE_BYTES_MAX: usize = 64;

/// The longest version text of an engine.
pub const ENGINE_BYTES_MAX: usize = 64;

/// The longest explanation in a refusal or a farewell; it is logged.
pub const TEXT_BYTES_MAX: usize = 512;

/// The most failure tokens in one welcome: one a cause, with room for causes to come.
pub const FAILURE_TOKENS_MAX: usize = 16;

/// The longest of these tokens; they hold no URL.
pub const FAILURE_TOKEN_BYTES_MAX: usize = 2_048;

/// The longest sealed token, in characters of base64url.
pub const TOKEN_BYTES_MAX: usize = 7_000;

/// The whole redirect stays below this (SPEC 12).
pub const REDIRECT_BYTES_MAX: usize = 7_500;

/// The longest acknowledgement token inside a payload. It cannot be cut, so it must be short.
pub const ACK_TOKEN_BYTES_MAX: usize = 512;

/// The longest sealed tag of a client connection, in characters of base64url. It travels in every line
/// about the connection, and a line of Squid has 9,216 bytes of which a URL may take 8,192.
pub const TAG_TEXT_BYTES_MAX: usize = 1_000;

/// The longest User-Agent that a tag carries; an ordinary one has less than 200 bytes. Of a longer one
/// the tag says only that it is not known.
pub const TAG_USER_AGENT_BYTES_MAX: usize = 256;

/// The longest host or server name in a tag (RFC 1035).
pub const TAG_NAME_BYTES_MAX: usize = 253;

/// How long a tag counts. Squid ends a client's connection after its `client_lifetime`, one day; an hour
/// is for clocks. A shorter time could be waited out inside a tunnel.
pub const TAG_AGE_MAX: Duration = Duration::from_secs(25 * 3_600);

/// How far in the future a tag may have been made: clocks of engines that share a secret differ.
pub const TAG_AHEAD_MAX: Duration = Duration::from_secs(300);

/// After so many seals under one salt the sealer asks for a new one.
pub const SEALS_WORN: u64 = 1 << 28;

/// After so many seals under one salt the sealer refuses: a random 96-bit nonce must not repeat.
pub const SEALS_MAX: u64 = 1 << 32;

/// The time from the first byte of TLS to the welcome.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// A side that has received nothing for so long sends a ping.
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);

/// A side that has received nothing for so long closes the session.
pub const KEEPALIVE_DEAD: Duration = Duration::from_secs(15);

/// A connector that has waited so long for an answer asks the next engine as well, and sends a ping
/// to learn whether the first is there. Answers take a few milliseconds; this is far above.
pub const ASK_AGAIN_AFTER: Duration = Duration::from_millis(400);
