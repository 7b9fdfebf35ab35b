"""Pages of folders, and the Files panel of the agent page."""

from django.urls import path

from folders import agent_views, views

app_name = "folders"
urlpatterns = [
    path("", views.folder_list, name="list"),
    path("new/", views.create, name="create"),
    path("of/<str:agent_id>/", agent_views.panel, name="panel"),
    path("of/<str:agent_id>/attach/", agent_views.attach, name="attach"),
    path("of/<str:agent_id>/close-all/", agent_views.close_all_files, name="close-all"),
    path("of/<str:agent_id>/<str:folder_id>/detach/", agent_views.detach, name="detach"),
    path("of/<str:agent_id>/<str:file_id>/open/", agent_views.open_file, name="open"),
    path("of/<str:agent_id>/<str:file_id>/close/", agent_views.close, name="close"),
    path("<str:folder_id>/", views.detail, name="detail"),
    path("<str:folder_id>/change/", views.change, name="change"),
    path("<str:folder_id>/delete/", views.delete, name="delete"),
    path("<str:folder_id>/upload/", views.upload, name="upload"),
    path("<str:folder_id>/files/<str:file_id>/", views.file_text, name="file"),
    path("<str:folder_id>/files/<str:file_id>/delete/", views.delete_one_file, name="delete-file"),
]
