//! An engine that is asked as somebody.

use std::path::Path;

use eg_proto::control::verbs::HttpMethod;
use eg_proto::control::{Secret, auth};

use super::fault::SessionFault;
use super::login::{Login, Wish};
use super::private::read_secret;
use super::settings::Settings;
use super::surroundings::Surroundings;
use super::talk::Talk;
use super::trust::door;
use crate::client::{Answer, Client, ClientFault, Door};

/// One request, whoever asks.
#[derive(Debug)]
pub struct Asks<'a> {
    /// Its method.
    pub method: HttpMethod,
    /// Below [`eg_proto::control::BASE`].
    pub path: &'a str,
    /// JSON.
    pub body: Option<&'a [u8]>,
}

/// An engine that is asked as somebody.
#[derive(Debug)]
pub struct Session {
    client: Client,
    auth: Auth,
}

#[derive(Debug)]
enum Auth {
    /// By the system's word at the socket.
    Local,
    /// By a key.
    Key(Secret),
    /// By a login.
    Login(Login),
}

impl Session {
    /// The engine that `settings` mean. Nothing is asked yet but whether it is the right one.
    ///
    /// # Errors
    ///
    /// [`SessionFault`]
    pub fn open(
        settings: &Settings,
        around: &Surroundings,
        talk: &mut dyn Talk,
    ) -> Result<Self, SessionFault> {
        let door = door(settings, around, talk)?;
        let auth = match (&door, settings.key_file.as_deref().or(around.key_file.as_deref())) {
            (Door::Socket(_), _) => Auth::Local,
            (Door::Https(_), Some(key)) => Auth::Key(key_of(key)?),
            (Door::Https(_), None) => {
                let user = settings.user.clone().or_else(|| around.user.clone());
                let user = user.ok_or(SessionFault::NoUser)?;
                Auth::Login(Login::of(user, &door.place(), around))
            }
        };
        Ok(Self { client: Client::at(door), auth })
    }

    /// How people call the engine.
    #[must_use]
    pub fn place(&self) -> String {
        self.client.door().place()
    }

    /// The engine as it can be asked now, without a question to anybody.
    #[must_use]
    pub fn client(&self) -> Client {
        let bearer = match &self.auth {
            Auth::Local => None,
            Auth::Key(key) => Some(key.clone()),
            Auth::Login(login) => login.access(),
        };
        self.client.clone().bearing(bearer)
    }

    /// Asks; logs in where that is needed.
    ///
    /// # Errors
    ///
    /// [`SessionFault`]
    pub fn ask(&mut self, talk: &mut dyn Talk, asks: &Asks<'_>) -> Result<Answer, SessionFault> {
        let Asks { method, path, body } = *asks;
        if !self.needs_login() {
            match self.client().ask(method, path, body) {
                Err(fault) if fault.is_unauthorized() => self.again(fault)?,
                other => return Ok(other?),
            }
            if let Auth::Login(login) = &mut self.auth
                && login.renew(&self.client)?
            {
                match self.client().ask(method, path, body) {
                    Err(fault) if fault.is_unauthorized() => {}
                    other => return Ok(other?),
                }
            }
        }
        if let Auth::Login(login) = &mut self.auth {
            login.log_in(&self.client, talk, Wish::DoSomething)?;
        }
        Ok(self.client().ask(method, path, body)?)
    }

    /// Whether the next request has to log in first.
    #[must_use]
    pub fn needs_login(&self) -> bool {
        match &self.auth {
            Auth::Login(login) => login.access().is_none(),
            Auth::Local | Auth::Key(_) => false,
        }
    }

    /// Whether a login can help; a key or the socket has nothing else to show.
    fn again(&self, fault: ClientFault) -> Result<(), SessionFault> {
        match self.auth {
            Auth::Login(_) => Ok(()),
            Auth::Local | Auth::Key(_) => Err(fault.into()),
        }
    }

    /// `GET`
    ///
    /// # Errors
    ///
    /// [`SessionFault`]
    pub fn get(&mut self, talk: &mut dyn Talk, path: &str) -> Result<Answer, SessionFault> {
        self.ask(talk, &Asks { method: HttpMethod::Get, path, body: None })
    }

    /// Who asks, as the engine says.
    ///
    /// # Errors
    ///
    /// [`SessionFault`]
    pub fn who(&mut self, talk: &mut dyn Talk) -> Result<auth::Who, SessionFault> {
        let answer = self.get(talk, "session")?;
        Ok(answer.value(&self.client)?)
    }

    /// Logs in anew, whatever is saved.
    ///
    /// # Errors
    ///
    /// [`SessionFault`]
    pub fn log_in(&mut self, talk: &mut dyn Talk) -> Result<String, SessionFault> {
        match &mut self.auth {
            Auth::Local => Ok("no login is needed at the socket".to_owned()),
            Auth::Key(_) => Ok("the key of EGCTL_KEY_FILE is shown; no login is needed".to_owned()),
            Auth::Login(login) => {
                login.log_in(&self.client, talk, Wish::LogIn)?;
                Ok(format!("logged in as {} at {}", login.user(), self.client.door().place()))
            }
        }
    }

    /// Ends the login, here and at the engine.
    ///
    /// # Errors
    ///
    /// [`SessionFault`]
    pub fn log_out(&mut self) -> Result<String, SessionFault> {
        let client = self.client();
        match &mut self.auth {
            Auth::Local | Auth::Key(_) => Ok("there is no login to end".to_owned()),
            Auth::Login(login) => {
                let was_in = login.access().is_some();
                login.forget();
                if !was_in {
                    return Ok("there is no login to end".to_owned());
                }
                match client.post("logout", &serde_json::json!({})) {
                    Err(fault) if !fault.is_unauthorized() => Err(fault.into()),
                    Ok(_) | Err(_) => Ok(format!("logged out at {}", client.door().place())),
                }
            }
        }
    }
}

fn key_of(path: &Path) -> Result<Secret, SessionFault> {
    read_secret(path)
        .map_err(|source| SessionFault::SecretFile { path: path.to_path_buf(), source })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::atomic::{AtomicU32, Ordering};

    use eg_proto::control::ProblemKind;
    use serde_json::json;

    use super::super::talk::Scripted;
    use super::*;
    use crate::client::fake::{Fake, Reply, Request, refusal};
    use crate::exit::Exit;

    fn tokens(number: u32) -> Reply {
        let value = json!({
            "access_token": format!("access{number}"), "expires_in_s": 60,
            "refresh_token": format!("refresh{number}"), "refresh_expires_in_s": 600,
            "who": {"user": "ada", "level": "administrator", "by": "token", "must": null},
        });
        (200, value.to_string())
    }

    /// An engine that takes the newest tokens alone, and a code beside the password where it is told so.
    fn engine(totp: bool) -> Fake {
        let newest = AtomicU32::new(0);
        Fake::tls(move |asked: &Request| {
            let now = newest.load(Ordering::SeqCst);
            let no = |why: &str| refusal(ProblemKind::Unauthorized, why);
            match asked.path.as_str() {
                "login" if !asked.body.contains("\"right\"") => no("wrong"),
                "login" if totp && !asked.body.contains("\"totp\":\"123456\"") => {
                    refusal(ProblemKind::SecondFactor, "a code too")
                }
                "login" => tokens(newest.fetch_add(1, Ordering::SeqCst) + 1),
                "refresh" if asked.body.contains(&format!("\"refresh{now}\"")) => {
                    tokens(newest.fetch_add(1, Ordering::SeqCst) + 1)
                }
                "refresh" => no("used before"),
                "old" => {
                    newest.fetch_add(1, Ordering::SeqCst);
                    (200, "{}".to_owned())
                }
                _ if asked.bearer.as_deref() == Some(&format!("access{now}")) => {
                    (200, "{}".to_owned())
                }
                _ => no("log in first"),
            }
        })
    }

    struct Place {
        settings: Settings,
        around: Surroundings,
    }

    fn place(fake: &Fake) -> Place {
        let cert = fake.folder.path().join("cert.pem");
        fs::write(&cert, &fake.pem).unwrap();
        let settings = Settings {
            host: Some("127.0.0.1".to_owned()),
            port: fake.port(),
            user: Some("ada".to_owned()),
            cert: Some(cert),
            ..Settings::default()
        };
        let cache = Some(fake.folder.path().join("cache/egctl"));
        Place { settings, around: Surroundings { cache, ..Surroundings::default() } }
    }

    impl Place {
        fn open(&self) -> Session {
            Session::open(&self.settings, &self.around, &mut Scripted::input(&[])).unwrap()
        }
    }

    fn file(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn a_login_is_kept_and_used_again() {
        let fake = engine(false);
        let place = place(&fake);
        let mut talk = Scripted::terminal(&["right"]);
        place.open().get(&mut talk, "status").unwrap();
        assert!(talk.said.contains("password of ada at 127.0.0.1:"), "{}", talk.said);
        place.open().get(&mut Scripted::input(&[]), "status").unwrap();
        let logins = fake.asked().iter().filter(|asked| asked.path == "login").count();
        assert_eq!(logins, 1);
        let folder = fake.folder.path().join("cache/egctl");
        for found in fs::read_dir(&folder).unwrap() {
            let found = found.unwrap();
            if found.path().extension().is_some_and(|end| end == "json") {
                assert_eq!(found.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            }
        }
        let mut session = place.open();
        assert!(session.log_out().unwrap().contains("logged out"));
        let fault = place.open().get(&mut Scripted::input(&["right"]), "status").unwrap_err();
        assert!(matches!(fault, SessionFault::NoPassword { .. }), "{fault}");
        assert_eq!(fault.exit(), Exit::Refused);
    }

    #[test]
    fn old_tokens_are_renewed_once() {
        let fake = engine(false);
        let place = place(&fake);
        let mut session = place.open();
        assert!(session.log_in(&mut Scripted::input(&["right"])).unwrap().contains("ada"));
        let mut talk = Scripted::input(&[]);
        // A second run renews; the first finds that in the file.
        let mut second = place.open();
        let renewed = match &mut second.auth {
            Auth::Login(login) => login.renew(&second.client).unwrap(),
            Auth::Local | Auth::Key(_) => false,
        };
        assert!(renewed);
        session.get(&mut talk, "status").unwrap();
        let refreshes = fake.asked().iter().filter(|asked| asked.path == "refresh").count();
        assert_eq!(refreshes, 1);
        // Where even the refresh token is too old, whoever is there logs in anew.
        session.get(&mut talk, "old").unwrap();
        assert!(matches!(session.get(&mut talk, "status"), Err(SessionFault::NoPassword { .. })));
        session.get(&mut Scripted::terminal(&["right"]), "status").unwrap();
    }

    #[test]
    fn a_code_is_asked_for_where_the_engine_wants_one() {
        let fake = engine(true);
        let place = place(&fake);
        let mut talk = Scripted::terminal(&["right", "123456"]);
        place.open().get(&mut talk, "status").unwrap();
        assert!(talk.said.contains("six digits"), "{}", talk.said);
        let wrong = place.open().log_in(&mut Scripted::terminal(&["false"])).unwrap_err();
        assert_eq!(wrong.exit(), Exit::Refused);
    }

    #[test]
    fn a_password_comes_from_a_file_of_its_owner() {
        let fake = engine(false);
        let mut place = place(&fake);
        let path = fake.folder.path().join("password");
        file(&path, "right\n");
        place.around.password_file = Some(path.clone());
        place.open().get(&mut Scripted::input(&[]), "status").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let fault = place.open().log_in(&mut Scripted::input(&[])).unwrap_err();
        assert!(matches!(fault, SessionFault::SecretFile { .. }), "{fault}");
    }

    #[test]
    fn a_key_is_shown_and_nobody_logs_in() {
        let fake = engine(false);
        let mut place = place(&fake);
        let path = fake.folder.path().join("key");
        file(&path, "access0");
        place.around.key_file = Some(path.clone());
        place.open().get(&mut Scripted::input(&[]), "status").unwrap();
        file(&path, "another");
        let fault = place.open().get(&mut Scripted::terminal(&["right"]), "status").unwrap_err();
        assert_eq!(fault.exit(), Exit::Refused);
        assert!(fake.asked().iter().all(|asked| asked.path == "status"));
    }
}
