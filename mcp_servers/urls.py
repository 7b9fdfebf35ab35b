"""Pages of MCP servers."""

from django.urls import path

from mcp_servers import views

app_name = "mcp"
urlpatterns = [
    path("", views.server_list, name="list"),
    path("new/", views.create, name="create"),
    path("test/", views.test, name="test"),
    path("<str:server_id>/", views.detail, name="detail"),
    path("<str:server_id>/change/", views.change, name="change"),
    path("<str:server_id>/refresh/", views.refresh, name="refresh"),
    path("<str:server_id>/attach/", views.attach, name="attach"),
    path("<str:server_id>/delete/", views.delete, name="delete"),
]
