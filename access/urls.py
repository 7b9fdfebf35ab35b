"""Pages of signing in and out."""

from django.urls import path

from access import views

urlpatterns = [
    path("login/", views.sign_in, name="login"),
    path("login/<str:token>/", views.login_link, name="login-link"),
    path("logout/", views.sign_out, name="logout"),
]
