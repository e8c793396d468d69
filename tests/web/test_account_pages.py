"""Signing up, in and out, mails' links, and the account, all with plain forms."""

import re

import pytest

from actors.mail.templates import MailKind
from tests.api.world import PASSWORD, World
from tests.web.reading import leads_to, opens, sends, submits

ANOTHER = "another horse battery"


async def test_signing_up_signs_in_and_leads_back(world: World) -> None:
    person = world.anyone()
    page = await opens(person, "/signup?next=/tickets/1")
    answer = await submits(person, page, "/signup", email="new@example.com", password=PASSWORD)
    assert leads_to(answer) == "/tickets/1"
    assert (await opens(person, "/account")).status == 200


async def test_sign_up_that_is_sent_twice_opens_one_account(world: World) -> None:
    person = world.anyone()
    page = await opens(person, "/signup")
    for _ in range(2):
        leads_to(await submits(person, page, "/signup", email="new@example.com", password=PASSWORD))


async def test_wrong_fields_of_a_sign_up_are_all_named_and_the_address_is_kept(world: World) -> None:
    person = world.anyone()
    page = await sends(person, "/signup", email="nobody", password="too-short")
    assert page.status == 400
    assert page.title.startswith("Error: ")
    assert all(f'id="{name}-error"' in page.html for name in ("email", "password"))
    assert page.form("/signup").fields["email"] == "nobody"
    assert "too-short" not in page.html


async def test_address_in_use_offers_to_sign_in(world: World) -> None:
    member = await world.member()
    page = await sends(world.anyone(), "/signup", email=member.email, password=PASSWORD)
    assert page.status == 409
    (link,) = (link for link in page.links if link.startswith("/signin?email="))
    assert (await opens(world.anyone(), link)).form("/signin").fields["email"] == member.email


async def test_signing_in_leads_back_to_where_one_came_from(world: World) -> None:
    member, person = await world.member(), world.anyone()
    page = await opens(person, "/signin?next=/orders")
    assert leads_to(await submits(person, page, "/signin", email=member.email, password=PASSWORD)) == "/orders"


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "https://evil.example/"])
async def test_signing_in_leads_to_no_other_site(world: World, path: str) -> None:
    member = await world.member()
    answer = await sends(world.anyone(), "/signin", email=member.email, password=PASSWORD, next=path)
    assert answer.response.headers["location"] == "/"


async def test_wrong_password_and_unknown_address_are_told_the_same(world: World) -> None:
    member = await world.member()
    wrong = await sends(world.anyone(), "/signin", email=member.email, password="not the password")
    unknown = await sends(world.anyone(), "/signin", email="nobody@example.com", password="not the password")
    assert wrong.status == unknown.status == 401
    assert wrong.text == unknown.text
    assert "not the password" not in wrong.html


async def test_signed_in_person_at_the_sign_in_goes_on(world: World) -> None:
    person = await world.someone()
    assert leads_to(await opens(person, "/signin?next=/orders")) == "/orders"
    assert leads_to(await opens(person, "/signup")) == "/"


async def test_pages_with_passwords_are_neither_stored_nor_compressed(world: World) -> None:
    for path in ("/signin", "/signup", "/reset-password"):
        page = await opens(world.anyone(), path)
        assert page.response.headers["cache-control"] == "no-store, no-transform"


async def test_signing_out_ends_the_session_and_clears_the_browser(world: World) -> None:
    member = await world.member()
    answer = await submits(member, await opens(member, "/account"), "/signout")
    assert answer.response.headers["location"] == "/?done=signedout"
    assert "You are signed out" in (await opens(member, "/?done=signedout")).text
    assert "cache" in answer.response.headers["clear-site-data"]
    assert (await opens(member, "/account")).status == 303


async def test_code_of_the_mail_confirms_the_address_without_javascript(world: World) -> None:
    member = await world.member()
    token = await world.token(MailKind.VERIFICATION, member)
    assert (await opens(member, "/verify")).status == 200, "a link alone confirms nothing"
    assert "Not confirmed" in (await opens(member, "/account")).text
    assert leads_to(await sends(member, "/verify", token=token)) == "/account"
    assert "Not confirmed" not in (await opens(member, "/account")).text
    assert (await sends(member, "/verify", token=token)).status == 400


async def test_another_password_is_set_with_the_code_of_the_mail(world: World) -> None:
    member = await world.member()
    known = await sends(world.anyone(), "/reset-password", email=member.email)
    unknown = await sends(world.anyone(), "/reset-password", email="nobody@example.com")
    assert known.response.headers["location"] == unknown.response.headers["location"]
    token = await world.token(MailKind.PASSWORD_RESET, member)
    assert leads_to(await sends(world.anyone(), "/reset-password", token=token, password=ANOTHER)) == "/signin"
    assert leads_to(await sends(world.anyone(), "/signin", email=member.email, password=ANOTHER)) == "/"


async def test_code_of_the_mail_is_kept_when_the_password_is_too_weak(world: World) -> None:
    token = await world.token(MailKind.PASSWORD_RESET, await world.member())
    weak = await sends(world.anyone(), "/reset-password", token=token, password="short")
    assert weak.status == 400
    assert 'id="token" name="token"' in weak.html
    assert weak.forms[1].fields["token"] == token
    assert "#password" in weak.links


async def test_too_many_attempts_say_how_long_to_wait(world: World) -> None:
    member, person = await world.member(), world.anyone()
    for _ in range(10):
        await sends(person, "/signin", email=member.email, password="not the password")
    page = await sends(person, "/signin", email=member.email, password="not the password")
    assert page.status == 429
    assert "Try again in 5 minutes." in page.text


async def test_address_of_a_form_of_the_account_leads_to_it(world: World) -> None:
    member = await world.member()
    for path in ("/account/password", "/account/sessions/" + "1" * 32):
        assert leads_to(await opens(member, path)) == "/account"


async def test_path_in_any_script_is_gone_back_to(world: World) -> None:
    member = await world.member()
    answer = await sends(world.anyone(), "/signin", email=member.email, password=PASSWORD, next="/?q=\u65e5\u672c")
    assert answer.response.headers["location"] == "/?q=%E6%97%A5%E6%9C%AC"


async def test_password_is_changed_with_the_current_one_and_other_sessions_end(world: World) -> None:
    member, elsewhere = await world.member(), world.anyone()
    leads_to(await sends(elsewhere, "/signin", email=member.email, password=PASSWORD))
    wrong = await sends(member, "/account/password", currentPassword="wrong", newPassword=ANOTHER)
    assert wrong.status == 400
    assert "Current password is wrong" in wrong.text
    leads_to(await sends(member, "/account/password", currentPassword=PASSWORD, newPassword=ANOTHER))
    assert (await opens(member, "/account")).status == 200
    assert (await opens(elsewhere, "/account")).status == 303


async def test_each_session_can_be_ended_and_all_at_once(world: World) -> None:
    member, elsewhere = await world.member(), world.anyone()
    leads_to(await sends(elsewhere, "/signin", email=member.email, password=PASSWORD))
    page = await opens(member, "/account")
    (form,) = (form for form in page.forms if form.action.startswith("/account/sessions/"))
    leads_to(await sends(member, form.action))
    assert (await opens(elsewhere, "/account")).status == 303
    leads_to(await sends(member, "/account/sessions"))
    assert (await opens(member, "/account")).status == 303


async def test_account_is_closed_with_the_password(world: World) -> None:
    member = await world.member()
    wrong = await sends(member, "/account/close", **{"closing-password": "wrong"})
    assert wrong.status == 400
    assert "#closing-password" in wrong.links
    assert leads_to(await sends(member, "/account/close", **{"closing-password": PASSWORD})) == "/signin"
    assert (await opens(member, "/account")).status == 303


async def test_account_that_holds_a_ticket_is_not_closed_and_says_why(world: World) -> None:
    member = await world.member()
    await member.orders(await (await world.someone()).lists())
    page = await sends(member, "/account/close", **{"closing-password": PASSWORD})
    assert page.status == 409
    assert "You hold tickets" in page.text


async def test_data_can_be_downloaded(world: World) -> None:
    member = await world.member()
    response = await member.http.get("/account/export")
    assert response.json()["user"]["email"] == member.email


async def test_password_managers_are_led_to_the_account(world: World) -> None:
    page = await opens(world.anyone(), "/.well-known/change-password")
    assert page.response.headers["location"] == "/account#change-password"


async def test_token_is_made_and_shown_once(world: World) -> None:
    person = await world.someone()
    page = await submits(person, await opens(person, "/account"), "/account/tokens", name="Spreadsheet", buy="yes")
    assert page.status == 201
    assert page.response.headers["cache-control"] == "no-store, no-transform"
    (text,) = set(re.findall(r"hfp_[0-9a-f]{24}_[\w-]{43}", page.html))
    program = world.bearing(text)
    assert (await program.http.get("/api/orders")).status_code == 200
    assert (await program.http.post("/api/tickets", json={})).status_code == 403, "may not sell"
    again = await opens(person, "/account")
    assert text not in again.html
    assert all(shown in again.text for shown in ("Spreadsheet", "read, buy", "Within the hour after"))


async def test_token_form_that_is_sent_twice_makes_one_token(world: World) -> None:
    person = await world.someone()
    page = await opens(person, "/account")
    answers = [await submits(person, page, "/account/tokens", name="Spreadsheet") for _ in range(2)]
    assert [answer.status for answer in answers] == [201, 409]
    assert "was shown once" in answers[1].text
    assert len(await world.services.access_tokens.of_user(person.id)) == 1


async def test_wrong_fields_of_a_token_are_all_named_and_what_was_chosen_is_kept(world: World) -> None:
    person = await world.someone()
    page = await sends(person, "/account/tokens", name="x" * 101, expiresInDays="9" * 5_000)
    assert page.status == 400
    assert page.title.startswith("Error: ")
    assert all(f'id="{name}-error"' in page.html for name in ("name", "scopes", "expiresInDays"))
    assert {"#name", "#scopes", "#expiresInDays"} <= set(page.links)
    page = await sends(person, "/account/tokens", sell="yes", expiresInDays="30")
    assert page.form("/account/tokens").fields["sell"] == "yes"
    assert "read" not in page.form("/account/tokens").fields
    assert '<option value="30" selected>' in page.html


async def test_token_is_revoked_with_a_button_that_names_it(world: World) -> None:
    person = await world.someone()
    program = await world.program(person, "read")
    page = await opens(person, "/account")
    assert 'aria-label="Revoke the token a program"' in page.html
    (form,) = (form for form in page.forms if form.action.startswith("/account/tokens/"))
    answer = await sends(person, form.action)
    assert answer.response.headers["location"] == "/account?done=revoked"
    assert (await program.http.get("/api/orders")).status_code == 401
    assert (await sends(person, form.action)).status == 404


async def test_administrator_is_offered_no_token(world: World) -> None:
    assert "/account/tokens" not in (await opens(await world.admin(), "/account")).html
