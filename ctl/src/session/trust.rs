//! That the engine is the right one: by the configuration's certificate, or by what was seen at first.

use super::fault::SessionFault;
use super::settings::{Hostless, Settings};
use super::surroundings::Surroundings;
use super::talk::{Talk, agrees};
use crate::client::{Door, Https, KnownEngines, Pin, seen};

/// Where an engine is asked that no file and no flag names.
const HOST: &str = "127.0.0.1";

/// The door of the engine that `settings` mean.
pub(super) fn door(
    settings: &Settings,
    around: &Surroundings,
    talk: &mut dyn Talk,
) -> Result<Door, SessionFault> {
    let host = match &settings.host {
        Some(host) => host.clone(),
        None if settings.hostless == Hostless::Socket || settings.socket.exists() => {
            return Ok(Door::Socket(settings.socket.clone()));
        }
        None => HOST.to_owned(),
    };
    let pin = match &settings.cert {
        Some(cert) => Pin::of_file(cert)?,
        None => first_sight(&host, settings.port, around, talk)?,
    };
    Ok(Door::Https(Https { host, port: settings.port, pin }))
}

/// The certificate that was seen before; at first sight whoever sits there says whether it is right.
fn first_sight(
    host: &str,
    port: u16,
    around: &Surroundings,
    talk: &mut dyn Talk,
) -> Result<Pin, SessionFault> {
    let file = around.config.as_ref().ok_or(SessionFault::NoFolder)?.join("known_engines");
    let known = KnownEngines::at(file);
    let place =
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    if let Some(fingerprint) = known.find(&place)? {
        return Ok(Pin::remembered(fingerprint, known.path()));
    }
    let shown = seen(host, port)?;
    let unknown = SessionFault::Unknown { place: place.clone(), shown };
    if !talk.is_terminal() {
        return Err(unknown);
    }
    talk.say(&format!(
        "The engine at {place} is not known. Its certificate has the SHA-256 fingerprint\n  {shown}\n\
         which its log shows at every start."
    ))?;
    if !agrees(talk, "Is this the right one, and shall it be remembered?")? {
        return Err(unknown);
    }
    known.remember(&place, shown)?;
    talk.say(&format!("remembered in {}", known.path().display()))?;
    Ok(Pin::remembered(shown, known.path()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::talk::Scripted;
    use super::*;
    use crate::client::fake::Fake;
    use crate::client::{Client, ClientFault};

    fn around(fake: &Fake) -> Surroundings {
        let config = Some(fake.folder.path().join("config/egctl"));
        Surroundings { config, ..Surroundings::default() }
    }

    fn settings(fake: &Fake) -> Settings {
        let host = Some("127.0.0.1".to_owned());
        Settings { host, port: fake.port(), ..Settings::default() }
    }

    #[test]
    fn an_engine_is_remembered_at_first_sight() {
        let fake = Fake::tls(|_| (200, "{}".to_owned()));
        let (settings, around) = (settings(&fake), around(&fake));
        let shown = fake.fingerprint.to_string();
        // Nobody is there to say yes.
        let fault = door(&settings, &around, &mut Scripted::input(&["y"])).unwrap_err();
        assert!(matches!(fault, SessionFault::Unknown { .. }), "{fault}");
        assert!(fault.to_string().contains(&shown), "{fault}");
        // Somebody says no, or nothing.
        for answers in [&["n"][..], &[]] {
            let mut talk = Scripted::terminal(answers);
            assert!(door(&settings, &around, &mut talk).is_err());
            assert!(talk.said.contains(&shown), "{}", talk.said);
        }
        assert!(fake.asked().is_empty());
        let found = door(&settings, &around, &mut Scripted::terminal(&["y"])).unwrap();
        Client::at(found.clone()).get("a").unwrap();
        // Later ones are not asked.
        assert_eq!(door(&settings, &around, &mut Scripted::input(&[])).unwrap(), found);
    }

    #[test]
    fn a_changed_certificate_is_refused() {
        let (fake, other) =
            (Fake::tls(|_| (200, String::new())), Fake::tls(|_| (200, String::new())));
        let (settings, around) = (settings(&fake), around(&fake));
        let place = format!("127.0.0.1:{}", fake.port());
        let known = KnownEngines::at(around.config.clone().unwrap().join("known_engines"));
        known.remember(&place, other.fingerprint).unwrap();
        let found = door(&settings, &around, &mut Scripted::terminal(&["y"])).unwrap();
        let fault = Client::at(found).get("a").unwrap_err();
        assert!(matches!(fault, ClientFault::OtherCertificate { .. }), "{fault}");
        let told = fault.to_string();
        for part in [
            fake.fingerprint.to_string(),
            other.fingerprint.to_string(),
            known.path().display().to_string(),
        ] {
            assert!(told.contains(&part), "{told}");
        }
        assert!(fake.asked().is_empty());
    }

    #[test]
    fn a_certificate_of_the_configuration_comes_before_what_was_seen() {
        let fake = Fake::tls(|_| (200, "{}".to_owned()));
        let cert = fake.folder.path().join("cert.pem");
        fs::write(&cert, &fake.pem).unwrap();
        let settings = Settings { cert: Some(cert), ..settings(&fake) };
        let found = door(&settings, &Surroundings::default(), &mut Scripted::input(&[])).unwrap();
        Client::at(found).get("a").unwrap();
    }

    #[test]
    fn the_socket_is_taken_where_it_is_there() {
        let fake = Fake::socket(|_| (200, "{}".to_owned()));
        let Door::Socket(socket) = fake.door.clone() else { panic!() };
        let settings = Settings { socket, ..Settings::default() };
        let mut talk = Scripted::input(&[]);
        let none = Surroundings::default();
        assert_eq!(door(&settings, &none, &mut talk).unwrap(), fake.door);
        // Without it this machine is asked over TLS.
        let settings = Settings { socket: fake.folder.path().join("none"), ..settings };
        assert!(matches!(door(&settings, &none, &mut talk), Err(SessionFault::NoFolder)));
        let settings = Settings { hostless: Hostless::Socket, ..settings };
        assert!(matches!(door(&settings, &none, &mut talk), Ok(Door::Socket(_))));
    }
}
