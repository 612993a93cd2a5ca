"""Owns the judgement of whether a page is a login page, by its form or by its address.

Change-password, add-user and sign-up pages have password fields too and are content. The script only counts and looks
for words; what the counts mean is decided here.
"""

from __future__ import annotations

import itertools
import re

from .pages import LoginFormFacts
from .urls import route_names

MAX_TEXT_FIELDS = 1
MAX_CHECKBOXES = 2
MAX_SELECTS = 1
MAX_TEXT_OUTSIDE_FORM = 2_000  # characters; beyond it the form is a corner of a page that is about something else

_LOGIN = re.compile(r"(?:user|account|wp)?[-_]?(?:log|sign)[-_]?(?:in|on)(?:[-_]?(?:form|page))?|sso")
# The next two lead to a login that the path does not name: Rails' way, and OpenID Connect.
_SESSIONS = frozenset({"session", "sessions"})
_AUTHORITIES = frozenset({"connect", "oauth", "oauth2", "openid-connect"})
_AUTHORIZATIONS = frozenset({"auth", "authorize"})
_VERSION = re.compile(r"v\d+")


def is_login_form(facts: LoginFormFacts | None) -> bool:
    """Return whether the form asks who the reader is; None, where no password field is visible, does not."""
    if facts is None or facts.password_fields != 1 or facts.says_new_password:
        return False
    is_small = (
        facts.text_fields <= MAX_TEXT_FIELDS
        and facts.checkboxes <= MAX_CHECKBOXES
        and facts.selects <= MAX_SELECTS
        and facts.text_outside_form < MAX_TEXT_OUTSIDE_FORM
    )
    return is_small and (facts.has_user_field or facts.has_login_word) and not facts.has_other_button


def is_login_url(url: str) -> bool:
    """Return whether *url* names a login page in a whole segment of its path or in the action that it asks for.

    Meant for where a redirect led: a page may be named ``/wiki/Login`` and be an article.
    """
    names = [name for name in route_names(url) if name and not _VERSION.fullmatch(name)]
    pairs = list(itertools.pairwise(names))
    return (
        any(_LOGIN.fullmatch(name) for name in names)
        or any(first in _SESSIONS and second == "new" for first, second in pairs)
        or any(first in _AUTHORITIES and second in _AUTHORIZATIONS for first, second in pairs)
    )


# Attributes are read by getAttribute, because a form's fields named "action" or "id" hide its properties.
LOGIN_FACTS_JS = r"""() => {
  const LOGIN = new RegExp("(log|sign)(in|on)(?![gs])|(?<![a-z])(log|sign)[ _-](in|on)(?![a-z])|(?<![a-z])sso(?![a-z])"
    + "|anmelden|anmeldung|einloggen|connexion|connecter|iniciar sesi|acceder|accedi|entrar|inloggen", "i");
  const OTHER = new RegExp("(?<![a-z])(save|create|change|reset|add|update|register|sign[ -]?up|set|invite|delete|join"
    + "|speichern|anlegen|erstellen|hinzuf.gen|.ndern|registrieren|enregistrer|cr.er|ajouter|modifier|s'inscrire"
    + "|guardar|crear|a.adir|cambiar|registrar|salva|salvar|opslaan)(?![a-z])", "i");
  const NEW = new RegExp("(?<![a-z])(new|choose|create|neues|nouveau|nueva|nuova|nova|nieuw)(?![a-z])|new[ _-]?pass",
    "i");
  const USER = new RegExp("user|login|e-?mail|account|member|identif|uid|nick|benutzer|utilisateur|usuario|utente"
    + "|(?<![a-z])(log|sign)[ _-]?in(?![a-z])|^ *(name|uname|phone|mobile) *$", "i");
  const BUTTON = "button, input[type=submit], input[type=button], input[type=image], [role=button]";
  const NOT_TYPED = ["hidden", "password", "checkbox", "radio", "submit", "button", "image", "reset", "range", "color"];

  const roots = [document];
  for (let i = 0; i < roots.length; i++)
    for (const element of roots[i].querySelectorAll("*")) if (element.shadowRoot) roots.push(element.shadowRoot);
  const parent = (node) => node.parentNode || node.host || null;
  const holds = (outer, node) => { while (node && node !== outer) node = parent(node); return node === outer; };
  const visible = (element) => element.checkVisibility({visibilityProperty: true}) && element.offsetWidth > 0;
  const find = (selector) => roots.flatMap((root) => [...root.querySelectorAll(selector)]).filter(visible);
  const attribute = (element, name) => element.getAttribute(name) || "";
  const plain = (text) => text.replace(/\s+/g, " ").trim();
  const split = (text) => text.replace(/([a-z])([A-Z])/g, "$1 $2");

  const passwords = find("input[type=password i]");
  if (!passwords.length) return null;
  const password = passwords[0];
  const buttons = find(BUTTON);
  const around = (node) => {
    for (let at = parent(node); at; at = parent(at)) if (at.nodeName === "FORM") return at;
    for (let at = parent(node); at; at = parent(at)) if (buttons.some((button) => holds(at, button))) return at;
    return document;
  };
  const form = password.form || around(password);
  const within = (elements) => elements.filter((element) => element.form === form || holds(form, element));

  const label = (field) => [...(field.labels || [])].map((element) => element.textContent).join(" ");
  const said = (field) => ["name", "id", "data-name", "placeholder", "aria-label"]
    .map((name) => split(attribute(field, name))).concat(plain(label(field)));
  const captions = within(buttons).map((button) => plain(button.innerText
    || ["value", "aria-label", "title", "alt"].map((name) => attribute(button, name)).join(" ")));
  const own = captions.filter((caption) => !/(?<![a-z])with(?![a-z])/i.test(caption));
  const saysLogin = own.some((caption) => LOGIN.test(caption));
  const typed = within(find("input, textarea")).filter((field) =>
    field.nodeName === "TEXTAREA" || !NOT_TYPED.includes(attribute(field, "type").toLowerCase()));

  const innerText = (root) => root === document ? [(document.body || document.documentElement).innerText]
    : [...root.children].map((element) => element.innerText);
  const length = (texts) => texts.reduce((sum, text) => sum + plain(text || "").length, 0);
  const inside = form === document ? 0
    : length([form.innerText || form.textContent, ...roots.filter((root) => holds(form, root)).flatMap(innerText)]);
  const action = form === document || !form.getAttribute ? "" : attribute(form, "action");
  const places = [location.pathname, document.title, action.split("?")[0], ...captions];

  return {
    password_fields: passwords.length,
    says_new_password: said(password).some((text) => NEW.test(text))
      || (/new-password/i.test(attribute(password, "autocomplete")) && !saysLogin),
    text_fields: typed.length,
    checkboxes: within(find("input[type=checkbox i], input[type=radio i]")).length,
    selects: within(find("select")).length,
    has_user_field: typed.some((field) => /^email$/i.test(attribute(field, "type"))
      || /username|email/i.test(attribute(field, "autocomplete")) || said(field).some((text) => USER.test(text))),
    has_login_word: places.some((text) => LOGIN.test(text)),
    has_other_button: !saysLogin && own.some((caption) => OTHER.test(caption)),
    text_outside_form: Math.max(0, length(roots.flatMap(innerText)) - inside),
  };
}"""
