"""Writes, told as events."""

from dataclasses import replace

from bridge.directory.events import EventName, GroupNews, News, UserNews
from bridge.scim.news import tell_end, tell_members, tell_resource
from bridge.scim.rows import Row

USER = Row("User", "usr_1", {"userName": "ana@acme.test", "active": True}, 1, 1, 1)
GROUP = Row("Group", "grp_1", {"displayName": "Writers"}, 1, 1, 1)


def test_users() -> None:
    """Created, changed, inactive, deleted."""
    off = replace(USER, active=False)
    assert list(tell_resource(USER, None)) == [
        News(EventName.USER_CREATED, user=UserNews("usr_1", "ana@acme.test", True))
    ]
    assert list(tell_resource(off, USER)) == [
        News(EventName.USER_UPDATED, user=UserNews("usr_1", "ana@acme.test", False))
    ]
    assert tell_end(USER) == News(EventName.USER_DELETED, user=UserNews("usr_1", "ana@acme.test"))


def test_a_user_without_an_address_has_none() -> None:
    """SCIM tells whole states: that nothing is there is told, too."""
    bare = replace(USER, fields={"userName": "ana", "emails": [{"value": "no address"}]})
    assert [news.user for news in tell_resource(bare, USER)] == [UserNews("usr_1", "", True)]


def test_groups() -> None:
    """A group that keeps its name is no news."""
    renamed = replace(GROUP, fields={"displayName": "Authors"})
    assert list(tell_resource(GROUP, None)) == [
        News(EventName.GROUP_CREATED, group=GroupNews("grp_1", "Writers"))
    ]
    assert list(tell_resource(renamed, GROUP)) == [
        News(EventName.GROUP_UPDATED, group=GroupNews("grp_1", "Authors"))
    ]
    assert list(tell_resource(GROUP, GROUP)) == []
    assert tell_end(GROUP) == News(EventName.GROUP_DELETED, group=GroupNews("grp_1", "Writers"))


def test_members() -> None:
    """Who goes before who comes."""
    assert list(tell_members("grp_1", ["usr_1"], ["usr_2"])) == [
        News(EventName.USER_REMOVED, user=UserNews("usr_2"), group=GroupNews("grp_1")),
        News(EventName.USER_ADDED, user=UserNews("usr_1"), group=GroupNews("grp_1")),
    ]
