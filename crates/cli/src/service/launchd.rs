//! launchd, for the person who is logged in.

use super::{Said, Service, State, ask, by_hand, command};
use crate::outcome::{Code, Problem};

const LAUNCHCTL: &str = "launchctl";
/// What to look at when it does not start.
const LOOK: &str = "launchctl print gui/$(id -u)/dev.antiphon.antiphon";

/// The property list that runs `program` on `home`.
pub(super) fn plist(name: &str, program: &str, home: &str) -> String {
    let (name, program, home) = (escaped(name), escaped(program), escaped(home));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">
<plist version=\"1.0\">
<dict>
  <key>Label</key>
  <string>{name}</string>
  <key>ProgramArguments</key>
  <array>
    <string>{program}</string>
    <string>--home</string>
    <string>{home}</string>
    <string>up</string>
    <string>--no-recovery</string>
  </array>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ThrottleInterval</key>
  <integer>10</integer>
  <key>ProcessType</key>
  <string>Background</string>
  <key>Umask</key>
  <integer>63</integer>
  <key>StandardErrorPath</key>
  <string>{home}/service.log</string>
</dict>
</plist>
"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Whether there is a launchd to speak to.
pub(super) fn ready() -> Result<(), Problem> {
    let missing =
        |why: String| Problem::new(Code::Failed, "launchd does not run services for you here").why(why).hint(by_hand());
    match ask(LAUNCHCTL, &["print", &domain()?]) {
        Ok(Said { good: true, .. }) => Ok(()),
        Ok(Said { why, .. }) => Err(missing(format!("launchctl says: {why}"))),
        Err(error) => Err(missing(format!("launchctl cannot be started: {error}"))),
    }
}

/// Has it started, now and from now on; whether that changed anything.
pub(super) fn start(service: &Service, written: bool) -> Result<bool, Problem> {
    let (before, domain, path) = (state(service), domain()?, service.path.display().to_string());
    if before.enabled && !written {
        return Ok(false);
    }
    if before.enabled {
        command(LAUNCHCTL, &["bootout", &format!("{domain}/{}", service.name)], LOOK)?;
    }
    command(LAUNCHCTL, &["bootstrap", &domain, &path], LOOK)?;
    Ok(true)
}

/// Has it stopped, now and from now on.
pub(super) fn stop(service: &Service) -> Result<(), Problem> {
    if state(service).enabled {
        command(LAUNCHCTL, &["bootout", &format!("{}/{}", domain()?, service.name)], LOOK)?;
    }
    Ok(())
}

/// How it stands; where nothing answers it neither runs nor will.
pub(super) fn state(service: &Service) -> State {
    let said = domain().ok().and_then(|domain| ask(LAUNCHCTL, &["print", &format!("{domain}/{}", service.name)]).ok());
    let loaded = said.filter(|said| said.good);
    let active = loaded.as_ref().is_some_and(|said| said.out.contains("state = running"));
    State { enabled: loaded.is_some(), active, lingers: None }
}

/// The part of launchd that starts what belongs to this person.
fn domain() -> Result<String, Problem> {
    Ok(format!("gui/{}", rustix::process::getuid().as_raw()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_can_say_anything_but_itself() {
        let plist = plist("dev.antiphon.a", "/opt/a&b", "/srv/</string><key>");
        assert!(plist.contains("<string>/opt/a&amp;b</string>"), "{plist}");
        assert!(plist.contains("<string>/srv/&lt;/string&gt;&lt;key&gt;</string>"), "{plist}");
        assert_eq!(plist.matches("<key>").count(), 9, "{plist}");
    }
}
