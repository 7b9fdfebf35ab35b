"""Pages of tools."""

from django.urls import path

from tools import dependencies, trial, views

app_name = "tools"
urlpatterns = [
    path("", views.tool_list, name="list"),
    path("new/", views.create, name="create"),
    path("<str:tool_id>/", views.detail, name="detail"),
    path("<str:tool_id>/switch/<str:field>/", views.switch, name="switch"),
    path("<str:tool_id>/source/", views.save_source, name="source"),
    path("<str:tool_id>/settings/", views.save_settings, name="settings"),
    path("<str:tool_id>/dependencies/", dependencies.save, name="dependencies"),
    path("<str:tool_id>/environment/", dependencies.environment, name="environment"),
    path("<str:tool_id>/environment/build/", dependencies.build, name="build"),
    path("<str:tool_id>/test/", trial.run, name="test"),
    path("<str:tool_id>/delete/", views.delete, name="delete"),
]
