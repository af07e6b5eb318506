//! Odd URLs, by the ids of the evasion corpus, and mixes of their parts. `{P}` stands for the port that
//! the origin listens on, `{0P}` for the same with zeros, `{P+}` for one that overflows to it.

use std::net::{IpAddr, Ipv4Addr};

use eg_tests::witness::Method;

/// Names that Squid finds, each at an address of its own, from 127.0.7.1 on. Where Squid would look a
/// name up with its odd bytes in it, it finds it here as well.
const NAMES: [&[u8]; 24] = [
    b"good.test",
    b"blocked.test",
    b"www.blocked.test",
    b"_x.blocked.test",
    b"blocked.test.evil.test",
    b"xn--bcher-kva.test",
    b"b\xc3\xbccher.test",
    b"bu\xcc\x88cher.test",
    b"b\xfccher.test",
    b"stra\xc3\x9fe.test",
    b"strasse.test",
    b"xn--strae-oqa.test",
    b"bl%6fcked.test",
    b"blocked%2etest",
    b"blocked\xe3\x80\x82test",
    b"blocked\xef\xbc\x8etest",
    b"blocked\xef\xbd\xa1test",
    b"\xef\xbd\x82locked.test",
    b"\xe2\x93\x91locked.test",
    b"xn--a.test",
    b"127.0.0.1.nip.example",
    b"blocked.test%00.good.test",
    b"http",
    b"localhost",
];

/// The names and their addresses.
pub(crate) fn hosts() -> Vec<(&'static [u8], IpAddr)> {
    let address = |nth| IpAddr::V4(Ipv4Addr::new(127, 0, 7, nth));
    (1..).zip(NAMES).map(|(nth, name)| (name, address(nth))).collect()
}

/// How Squid and we have to stand to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// It reaches the origin, and we name it.
    Reaches,
    /// It never may: Squid refuses it or it is malformed to us.
    Stopped,
    /// Either, as long as both mean the same host: our choice, or Squid's, which rewrites much of what is
    /// malformed before it asks.
    Either,
}

/// One request of the corpus.
#[derive(Debug, Clone)]
pub(crate) struct Odd {
    /// Its id, `mix` for a mixed one.
    pub(crate) id: &'static str,
    pub(crate) method: Method,
    pub(crate) target: Vec<u8>,
    pub(crate) due: Due,
}

use Due::{Either, Reaches, Stopped};

/// The rows of groups A to D that name a URL.
const URLS: &[(&str, &[u8], Due)] = &[
    ("A01", b"http://BLOCKED.Test:{P}/a", Reaches),
    ("A02", b"HTTP://blocked.test:{P}/a", Reaches),
    ("A04", b"http://blocked.test..:{P}/a", Reaches),
    ("A05", b"http://.blocked.test:{P}/a", Stopped),
    ("A05", b"http://blocked..test:{P}/a", Stopped),
    ("A06", b"http://www.blocked.test:{P}/a", Reaches),
    ("A08", b"http://blocked.test.evil.test:{P}/a", Reaches),
    ("A09", b"http://good.test@blocked.test:{P}/a", Reaches),
    ("A09", b"http://u@good.test@blocked.test:{P}/a", Reaches),
    ("A10", b"http://good.test:{P}@blocked.test:{P}/a", Reaches),
    ("A12", b"http://good.test\\@blocked.test:{P}/a", Reaches),
    ("A13", b"http://blocked.test\\@good.test:{P}/a", Reaches),
    ("A14", b"http://good.test:{P}#@blocked.test:{P}/a", Either),
    ("A14", b"http://good.test:{P}?@blocked.test:{P}/a", Either),
    ("A14", b"http://good.test:{P}/@blocked.test:{P}/a", Reaches),
    ("A14", b"http://good.test#@blocked.test:{P}/a", Either),
    ("A14", b"http://good.test?@blocked.test:{P}/a", Either),
    ("A14", b"http://good.test;@blocked.test:{P}/a", Either),
    ("A16", b"http://bl%6fcked.test:{P}/a", Stopped),
    ("A17", b"http://blocked%2etest:{P}/a", Stopped),
    ("A18", b"http://blocked.test%00.good.test:{P}/a", Stopped),
    ("A18", b"http://blocked.test\0.good.test:{P}/a", Stopped),
    ("A20", b"http://blocked.test\t:{P}/a", Either),
    ("A20", b"http://blocked.test :{P}/a", Either),
    ("A20", b"http://blocked.test:{P} /a", Either),
    ("A20", b"http://good.test \t@blocked.test:{P}/a", Either),
    ("A20", b" http://blocked.test:{P}/a", Either),
    ("A20", b"http:// blocked.test:{P}/a", Either),
    ("A20", b"ht\ttp://blocked.test:{P}/a", Either),
    ("A20", b"http://blocked.test:{P}/a HTTP/1.1 ", Either),
    ("A21", b"http://blocked.test:{0P}/a", Reaches),
    ("A22", b"http://blocked.test:{P}abc/a", Reaches),
    ("A22", b"http://blocked.test:+{P}/a", Either),
    ("A22", b"http://blocked.test:{P}:81/a", Either),
    ("A22", b"http://blocked.test:81:{P}/a", Either),
    ("A22", b"http://blocked.test:{P}.good.test/a", Either),
    ("A24", b"http://blocked.test:/a", Stopped),
    ("A24", b"http://blocked.test:65536/a", Stopped),
    ("A24", b"http://blocked.test:99999/a", Stopped),
    ("A24", b"http://blocked.test:{P+}/a", Stopped),
    ("A24", b"http://blocked.test:0/a", Stopped),
    ("A24", b"http://blocked.test:-{P}/a", Stopped),
    ("A25", b"http://blocked.test:{P}\\a", Either),
    ("A25", b"http://blocked.test\\:{P}/a", Either),
    ("A25", b"http://blocked.test:{P}\\@good.test:{P}/a", Either),
    ("A26", b"http:/blocked.test:{P}/a", Stopped),
    ("A26", b"http:blocked.test:{P}/a", Stopped),
    ("A26", b"http:///blocked.test:{P}/a", Stopped),
    ("A26", b"http:\\\\blocked.test:{P}/a", Stopped),
    ("A26", b"//blocked.test:{P}/a", Stopped),
    ("A30", b"/a", Stopped),
    ("A32", b"https://blocked.test:{P}/a", Either),
    ("A33", b"ws://blocked.test:{P}/", Stopped),
    ("A33", b"gopher://blocked.test:{P}/", Stopped),
    ("A33", b"urn:blocked.test", Stopped),
    ("A33", b"blocked.test:{P}", Stopped),
    ("A33", b"ftp://blocked.test:1/", Either),
    ("A34", b"cache_object://blocked.test:{P}/", Stopped),
    ("A34", b"http://blocked.test:{P}/squid-internal-mgr/", Either),
    ("A--", b"http://blocked.test:{P}", Reaches),
    ("A--", b"http://@blocked.test:{P}/", Reaches),
    ("A--", b"http://:@blocked.test:{P}/", Either),
    ("A--", b"http://good.test:{P}@/", Stopped),
    ("A--", b"http://:{P}/", Stopped),
    ("A--", b"http://good.test,blocked.test:{P}/", Stopped),
    ("A--", b"http://good.test/../@blocked.test:{P}/", Either),
    ("A--", b"http://[::1]@blocked.test:{P}/", Either),
    ("A--", b"http://good.test]@blocked.test:{P}/", Either),
    ("A--", b"http://[good.test@blocked.test:{P}/", Either),
    ("A--", b"http://[good.test]@blocked.test:{P}/", Either),
    ("A--", b"http://[blocked.test]:{P}/", Either),
    ("A--", b"*", Stopped),
    ("A--", b"http://*/", Stopped),
    ("B01", b"http://b\xc3\xbccher.test:{P}/", Either),
    ("B02", b"http://xn--bcher-kva.test:{P}/", Reaches),
    ("B03", b"http://XN--BCHER-KVA.test:{P}/", Reaches),
    ("B05", b"http://b\xfccher.test:{P}/", Stopped),
    ("B06", b"http://blocked\xe3\x80\x82test:{P}/", Either),
    ("B06", b"http://blocked\xef\xbc\x8etest:{P}/", Either),
    ("B06", b"http://blocked\xef\xbd\xa1test:{P}/", Either),
    ("B07", b"http://\xef\xbd\x82locked.test:{P}/", Either),
    ("B07", b"http://\xe2\x93\x91locked.test:{P}/", Either),
    ("B09", b"http://xn--a.test:{P}/", Stopped),
    ("B10", b"http://bu\xcc\x88cher.test:{P}/", Either),
    ("B11", b"http://stra\xc3\x9fe.test:{P}/", Either),
    ("B11", b"http://strasse.test:{P}/", Reaches),
    ("B14", b"http://_x.blocked.test:{P}/", Reaches),
    ("C01", b"http://127.0.0.1.:{P}/", Reaches),
    ("C03", b"http://2130706433:{P}/", Reaches),
    ("C04", b"http://0x7f000001:{P}/", Reaches),
    ("C04", b"http://0x7f.1:{P}/", Reaches),
    ("C05", b"http://0177.0.0.1:{P}/", Reaches),
    ("C05", b"http://017700000001:{P}/", Reaches),
    ("C05", b"http://127.0.0.01:{P}/", Reaches),
    ("C07", b"http://0.0.0.0:{P}/", Reaches),
    ("C07", b"http://0:{P}/", Reaches),
    ("C08", b"http://0x0:{P}/", Reaches),
    ("C08", b"http://00.0:{P}/", Reaches),
    ("C09", b"http://[::ffff:127.0.0.1]:{P}/", Reaches),
    ("C09", b"http://[::ffff:7f00:1]:{P}/", Reaches),
    ("C09", b"http://[0:0:0:0:0:FFFF:7f00:0001]:{P}/", Reaches),
    ("C11", b"http://::1:{P}/", Stopped),
    ("C11", b"http://::1/", Either),
    ("C12", b"http://[fe80::1%25eth0]:{P}/", Stopped),
    ("C12", b"http://[::1%25lo]:{P}/", Stopped),
    ("C12", b"http://[::1%lo]:{P}/", Stopped),
    ("C13", b"http://[::1]blocked.test:{P}/", Either),
    ("C13", b"http://[::1].:{P}/", Either),
    ("C15", b"http://127.0.0.2:{P}/", Reaches),
    ("C15", b"http://127.255.255.254:{P}/", Reaches),
    ("C16", b"http://localhost:{P}/", Reaches),
    ("C17", b"http://127.0.0.1.nip.example:{P}/", Reaches),
    ("C--", b"http://[::1]:{P}/", Either),
    ("C--", b"http://[0::1]:{P}/", Either),
    ("C--", b"http://[::]:{P}/", Either),
    ("C--", b"http://[::127.0.0.1]:{P}/", Either),
    ("C--", b"http://[::ffff:0:127.0.0.1]:{P}/", Either),
    ("C--", b"http://[64:ff9b::127.0.0.1]:{P}/", Either),
    ("C--", b"http://[127.0.0.1]:{P}/", Either),
    ("C--", b"http://127.1:{P}/", Reaches),
    ("C--", b"http://127.0.1:{P}/", Reaches),
    ("C--", b"http://127.0.65537:{P}/", Stopped),
    ("C--", b"http://0x7F.0X0.0.1:{P}/", Reaches),
    ("C--", b"http://0x7f.0.0.0x01:{P}/", Reaches),
    ("C--", b"http://0x00000000007f000001:{P}/", Either),
    ("C--", b"http://00000000000177.1:{P}/", Either),
    ("C--", b"http://127.0.0.1.1:{P}/", Stopped),
    ("C--", b"http://383.0.0.1:{P}/", Stopped),
    ("C--", b"http://4294967295:{P}/", Either),
    ("C--", b"http://4294967296:{P}/", Stopped),
    ("C--", b"http://6425673729:{P}/", Stopped),
    ("C--", b"http://0177.08.0.1:{P}/", Stopped),
    ("C--", b"http://127.0.0.1x:{P}/", Either),
    ("C--", b"http://127.0.0.0x:{P}/", Stopped),
    ("C--", b"http://127..1:{P}/", Stopped),
    ("C--", b"http://127.0.0.1%20:{P}/", Stopped),
    ("C--", b"http://127.0.0.1 :{P}/", Either),
    ("C--", b"http://+127.0.0.1:{P}/", Stopped),
    ("C--", b"http://-127.0.0.1:{P}/", Stopped),
    ("C--", b"http://127\xe3\x80\x820\xe3\x80\x820\xe3\x80\x821:{P}/", Either),
    ("C--", b"http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.1:{P}/", Either),
    ("D03", b"http://good.test:{P}//secret", Reaches),
    ("D05", b"http://good.test:{P}/x/../secret", Reaches),
    ("D07", b"http://good.test:{P}/x/..%2fsecret", Reaches),
    ("D09", b"http://good.test:{P}/s%65cret", Reaches),
    ("D13", b"http://good.test:{P}/%zz/../secret", Reaches),
    ("D15", b"http://good.test:{P}/secret%00.html", Either),
    ("D19", b"http://good.test:{P}/#/secret", Either),
    ("D19", b"http://good.test:{P}?/secret", Either),
    ("D20", b"http://good.test:{P}/\\secret", Either),
    ("D21", b"http://good.test:{P}/sec\tret", Either),
    ("D21", b"http://good.test:{P}/sec ret", Either),
    ("D23", b"http://good.test:{P}/secret%20", Reaches),
    ("D25", b"http://good.test:{P}/secret%0d%0aX:1", Reaches),
    ("D39", b"http://good.test:{P}/\x80\xff?\xfe", Reaches),
    ("D40", b"http://good.test:{P}/a\"b{}^`<>|", Reaches),
];

/// The rows of group G that name a tunnel, and some of A to C in that form.
const TUNNELS: &[(&str, &[u8], Due)] = &[
    ("G01", b"blocked.test:{P}", Reaches),
    ("G03", b"good.test@blocked.test:{P}", Stopped),
    ("G04", b"blocked.test", Either),
    ("G05", b"http://blocked.test:{P}/", Stopped),
    ("G05", b"http:{P}", Stopped),
    ("G07", b"2130706433:{P}", Reaches),
    ("G07", b"0x7f.1:{P}", Reaches),
    ("G07", b"[::ffff:7f00:1]:{P}", Reaches),
    ("G08", b"0:{P}", Reaches),
    ("G08", b"0x0:{P}", Reaches),
    ("G09", b"bl%6fcked.test:{P}", Stopped),
    ("G--", b"BLOCKED.test.:{P}", Reaches),
    ("G--", b"blocked.test..:{P}", Either),
    ("G--", b".blocked.test:{P}", Stopped),
    ("G--", b"blocked..test:{P}", Stopped),
    ("G--", b"blocked.test:{0P}", Reaches),
    ("G--", b"blocked.test:+{P}", Either),
    ("G--", b"blocked.test:{P}abc", Either),
    ("G--", b"blocked.test:{P}:81", Either),
    ("G--", b"blocked.test:81:{P}", Either),
    ("G--", b"blocked.test:{P}/", Either),
    ("G--", b"blocked.test:{P}/x@good.test:{P}", Either),
    ("G--", b"blocked.test:{P}#@good.test:{P}", Either),
    ("G--", b"blocked.test:{P}?@good.test:{P}", Either),
    ("G--", b"blocked.test/:{P}", Stopped),
    ("G--", b"blocked.test:{P+}", Stopped),
    ("G--", b"blocked.test:", Either),
    ("G--", b"blocked.test:0", Stopped),
    ("G--", b"blocked.test:-{P}", Stopped),
    ("G--", b":{P}", Stopped),
    ("G--", b"//blocked.test:{P}", Stopped),
    ("G--", b"[::1]:{P}", Either),
    ("G--", b"[::1]", Either),
    ("G--", b"::1:{P}", Stopped),
    ("G--", b"[::1]blocked.test:{P}", Either),
    ("G--", b"[blocked.test]:{P}", Either),
    ("G--", b"[::1%25lo]:{P}", Stopped),
    ("G--", b"blocked.test :{P}", Either),
    ("G--", b"blocked.test\t:{P}", Either),
    ("G--", b"blocked.test:{P}\t", Either),
    ("G--", b"good.test blocked.test:{P}", Either),
    ("G--", b"blocked.test\\:{P}", Stopped),
    ("G--", b"good.test\\@blocked.test:{P}", Stopped),
    ("G--", b"good.test,blocked.test:{P}", Stopped),
    ("G--", b"b\xc3\xbccher.test:{P}", Either),
    ("G--", b"b\xfccher.test:{P}", Stopped),
    ("G--", b"blocked\xe3\x80\x82test:{P}", Either),
    ("G--", b"127.1:{P}", Reaches),
    ("G--", b"383.0.0.1:{P}", Stopped),
    ("G--", b"localhost:{P}", Reaches),
];

/// The rows of the corpus, for an origin that listens on `port`.
pub(crate) fn rows(port: u16) -> Vec<Odd> {
    let urls = URLS.iter().map(|row| (Method::Get, row));
    let tunnels = TUNNELS.iter().map(|row| (Method::Connect, row));
    urls.chain(tunnels)
        .map(|(method, (id, target, due))| Odd {
            id,
            method,
            target: with_port(target, port),
            due: *due,
        })
        .collect()
}

/// `count` requests, each mixed of one part of every kind; the same for the same seed.
pub(crate) fn mixes(seed: u64, count: usize, port: u16) -> Vec<Odd> {
    let mut dice = Dice(seed | 1);
    let mix = |_| {
        let method = if dice.roll(5) == 0 { Method::Connect } else { Method::Get };
        let mut target = match method {
            Method::Get => dice.pick(SCHEMES).to_vec(),
            Method::Connect => Vec::new(),
        };
        for kind in [USER_INFOS, HOSTS, BEHIND_HOSTS, PORTS] {
            target.extend_from_slice(dice.pick(kind));
        }
        if method == Method::Get || dice.roll(8) == 0 {
            target.extend_from_slice(dice.pick(RESTS));
        }
        Odd { id: "mix", method, target: with_port(&target, port), due: Either }
    };
    (0..count).map(mix).collect()
}

/// The first of each kind is the ordinary one, and repeated so that it comes up often: a request with
/// one oddity gets further than one with five.
const SCHEMES: &[&[u8]] = &[
    b"http://",
    b"http://",
    b"http://",
    b"http://",
    b"http://",
    b"http://",
    b"HTTP://",
    b"hTTp://",
    b"http:\\\\",
    b"http:/\\",
    b"http:///",
    b"\thttp://",
    b"http://\t",
    b"http://\\",
];
const USER_INFOS: &[&[u8]] = &[
    b"",
    b"",
    b"",
    b"",
    b"",
    b"",
    b"",
    b"",
    b"@",
    b"u@",
    b"u:p@",
    b"good.test@",
    b"good.test:80@",
    b"good.test\\@",
    b"good.test%40@",
    b"good.test@@",
    b"a@good.test@",
    b"good.test#@",
    b"good.test?@",
    b"good.test/@",
    b"good.test;@",
    b"[::1]@",
    b"[@",
    b"]@",
    b"good.test\t@",
    b"good.test:@",
    b"good.test\x0b@",
    b"\xc3\xbc@",
];
const HOSTS: &[&[u8]] = &[
    b"blocked.test",
    b"blocked.test",
    b"blocked.test",
    b"BLOCKED.TEST",
    b"www.Blocked.test",
    b"blocked\ttest",
    b"blocked.te\tst",
    b"b\x00locked.test",
    b"bl%6fcked.test",
    b"blocked%2etest",
    b"_x.blocked.test",
    b"-blocked.test",
    b"blocked-.test",
    b"xn--bcher-kva.test",
    b"b\xc3\xbccher.test",
    b"b\xfccher.test",
    b"blocked\xe3\x80\x82test",
    b"blocked.test\xc2\xad",
    b"127.0.0.1",
    b"127.1",
    b"0x7f.1",
    b"0X7f.0x1",
    b"0177.1",
    b"2130706433",
    b"127.0.0.1.",
    b"0",
    b"0.0.0.0",
    b"0x0",
    b"00",
    b"[::1]",
    b"[::ffff:127.0.0.1]",
    b"[::ffff:7f00:1]",
    b"[::]",
    b"::1",
    b"[::1",
    b"::1]",
    b"[127.0.0.1]",
    b"[blocked.test]",
    b"127.0.0.1.nip.example",
    b"127.0.0.256",
    b"1.2.3.4.5",
    b"127.0.0.1x",
    b"127.0.0.0x1",
    b"localhost",
    b"*",
    b"a,b",
    b"blocked!test",
    b"blocked.test%00",
    b"blocked~.test",
    b"[v1.a]",
    b"[::1]x",
    b"[::1%25lo]",
    b"",
];
const BEHIND_HOSTS: &[&[u8]] = &[
    b"",
    b"",
    b"",
    b"",
    b"",
    b"",
    b"",
    b"",
    b".",
    b"..",
    b"\t",
    b"\x0b",
    b"\x0c",
    b"\r",
    b"%20",
    b"%00",
    b"\\",
    b"#",
    b"?",
    b";",
    b",",
    b"|",
    b"\xa0",
    b"\xc2\xa0",
    b"\x7f",
    b"\x01",
    b"'",
    b"\"",
];
const PORTS: &[&[u8]] = &[
    b":{P}",
    b":{P}",
    b":{P}",
    b":{P}",
    b":{P}",
    b":{P}",
    b":{0P}",
    b":+{P}",
    b": {P}",
    b":\t{P}",
    b":{P}x",
    b":{P}\t",
    b":{P}.",
    b":{P}:",
    b":{P}:80",
    b":80:{P}",
    b":{P+}",
    b":-{P}",
    b":{P}@",
    b":{P}\\",
    b":{P}%20",
    b"",
    b":",
    b":0",
    b":65536",
    b":99999999999999999999",
];
const RESTS: &[&[u8]] = &[
    b"/a",
    b"/a",
    b"/a",
    b"",
    b"/",
    b"?q",
    b"#f",
    b"\\a",
    b"\\@good.test/",
    b"/@good.test/",
    b"?@good.test/",
    b"#@good.test/",
    b"//good.test/",
    b"/x/../y",
    b"/%2e%2e/y",
    b"/\ty",
    b"/a b",
    b"/\\..\\y",
    b"/%00",
    b"/a;b",
    b"/?q#f",
    b"/#/../y",
    b"/\x80\xff",
    b"/a\"b",
    b"/%zz%6",
    b":81/",
    b"/a?b?c",
    b";/a",
    b"&/a",
];

fn with_port(target: &[u8], port: u16) -> Vec<u8> {
    let overflown = 65_536 + u32::from(port);
    [("{P}", port.to_string()), ("{0P}", format!("00{port}")), ("{P+}", overflown.to_string())]
        .iter()
        .fold(target.to_vec(), |text, (from, to)| replace(&text, from.as_bytes(), to.as_bytes()))
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// Marsaglia's xorshift: enough to choose with, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % sides
    }

    fn pick<'a>(&mut self, parts: &[&'a [u8]]) -> &'a [u8] {
        parts[self.roll(parts.len())]
    }
}
